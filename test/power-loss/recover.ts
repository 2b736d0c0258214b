/** Opens an image with the code that opens a node after a power cut, as far as it goes without other nodes. */
import { join } from 'node:path'
import type { Entry, HardState, Index } from '../../src/raft/types.ts'
import { directoryAt, makeDirectory } from '../../src/storage/directory.ts'
import { readKeyRecord } from '../../src/storage/layout.ts'
import type { Identity, LogStore } from '../../src/storage/log-store.ts'
import { type Dice, type Opened, openNode } from '../../src/storage/opening.ts'
import { homeAt } from '../../src/storage/service.ts'
import { SnapshotFolder } from '../../src/storage/snapshot-files.ts'
import type { StateMachine } from '../../src/storage/state-machine.ts'
import type { Random } from '../simulation/random.ts'

/** What a node was found to hold. */
export interface Recovered {
  readonly identity: Identity
  readonly incarnation: number
  readonly hardState: HardState
  readonly entries: readonly Entry[]
  /** The log begins behind it. */
  readonly baseIndex: Index
  /** Of the state as it was believed, or restored from a snapshot; 0: made anew. */
  readonly trustedIndex: Index
  /** Of the state, once what a majority holds was applied. */
  readonly appliedIndex: Index
  readonly revision: number
  readonly kv: ReadonlyMap<string, KeyContent>
}

export interface KeyContent {
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly value: Buffer
}

/**
 * All nodes of a data directory; one that is not there yet is made.
 * @throws what a node says that refuses to open; or takes the process down
 */
export async function recoverNodes(
  data: string,
  count: number,
  random: Random,
): Promise<Recovered[]> {
  const opened: Opened[] = []
  try {
    for (let n = 1; n <= count; n++) opened.push(open(join(data, `node-${n}`), random))
    const held = heldByMajority(opened.map(({ log }) => log))
    return opened.map((one) => recover(one, held))
  } finally {
    for (const { state, log } of opened) {
      await state.close()
      await log.close()
    }
  }
}

function open(node: string, random: Random): Opened {
  const dice: Dice = {
    id: (bytes) => Array.from({ length: 2 * bytes }, () => random.below(16).toString(16)).join(''),
    below: (end) => random.below(end),
    next: () => random.next(),
  }
  makeDirectory(node)
  const directory = directoryAt(node)
  const home = homeAt(directory, new SnapshotFolder(directory, 0))
  return openNode({ ...home, bootId: () => 'after the power cut' }, dice)
}

/** The last entry that a majority has alike. What was cut from a log was held by one. */
function heldByMajority(logs: readonly LogStore[]): Index {
  const quorum = Math.floor(logs.length / 2) + 1
  const cut = Math.max(...logs.map((log) => log.base.index))
  for (let index = Math.max(...logs.map((log) => log.lastIndex)); index > cut; index--) {
    const terms = logs.flatMap((log) => log.termAt(index) ?? [])
    if (terms.some((term) => terms.filter((other) => other === term).length >= quorum)) return index
  }
  return cut
}

function recover({ log, state, identity, incarnation }: Opened, held: Index): Recovered {
  const { appliedIndex: trustedIndex } = state
  const entries = entriesOf(log)
  const committed = entries.filter(({ index }) => index > trustedIndex && index <= held)
  if (identity.clusterId !== null) state.apply(committed, null, log.base.index + 1)
  const { appliedIndex, revision } = state
  const { hardState } = log
  const positions = { baseIndex: log.base.index, trustedIndex, appliedIndex, revision }
  return { identity, incarnation, hardState, entries, ...positions, kv: kvOf(state) }
}

/** Copies: the map is gone when the log is closed. */
function entriesOf(log: LogStore): Entry[] {
  return log
    .entries(log.base.index + 1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
    .map((entry) => ({ ...entry, bytes: Uint8Array.from(entry.bytes) }))
}

function kvOf({ tables }: StateMachine): Map<string, KeyContent> {
  const kv = new Map<string, KeyContent>()
  for (const { key, value } of tables.kv.getRange({ start: Buffer.from([0]) })) {
    const record = readKeyRecord(Buffer.from(value))
    kv.set(Buffer.from(key).toString(), { ...record, value: Buffer.from(record.value) })
  }
  return kv
}
