/** The keys that a batch touches, between what is stored of them and what will be. */
import type { Command } from '../codec/command.ts'
import type { KeyRecord } from './layout.ts'

/** One key in a batch: what it was, and what it will be. A class, for there are many and all alike. */
export class KeyState {
  /** One byte, one character: the order of such strings is the order of the bytes. */
  readonly name: string
  readonly key: Buffer
  existed = false
  exists = false
  createRevision = 0
  modRevision = 0
  version = 0
  /** The value to write; `null` while it is still the stored one, or when deleted. */
  value: Uint8Array | null = null
  /** The value as of now; only read where a listener wants it. */
  current: Uint8Array | null = null

  constructor(name: string, key: Buffer) {
    this.name = name
    this.key = key
  }

  load({ createRevision, modRevision, version }: KeyRecord): void {
    this.existed = true
    this.exists = true
    this.createRevision = createRevision
    this.modRevision = modRevision
    this.version = version
  }

  put(value: Uint8Array, revision: number): void {
    this.createRevision = this.exists ? this.createRevision : revision
    this.version = this.exists ? this.version + 1 : 1
    this.modRevision = revision
    this.exists = true
    this.value = value
    this.current = value
  }

  delete(): void {
    this.exists = false
    this.value = null
    this.current = null
  }
}

/** The state of the key that each command touches; commands on one key share one. */
export function statesOf(commands: readonly Command[]): KeyState[] {
  const states = new Map<string, KeyState>()
  return commands.map(({ key }) => {
    const name = key.toString('latin1')
    const known = states.get(name)
    if (known !== undefined) return known
    const state = new KeyState(name, key)
    states.set(name, state)
    return state
  })
}

/** In key order neighbours lie on the same pages. */
export function byName(a: KeyState, b: KeyState): number {
  return a.name < b.name ? -1 : 1
}
