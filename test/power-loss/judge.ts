/**
 * Opens an image with the code that opens a node after a power cut, and holds what it finds against what was
 * said before the power failed: acknowledged ⊆ recovered ⊆ proposed.
 */
import { isDeepStrictEqual } from 'node:util'
import { batchOwner, readCommands } from '../../src/codec/command.ts'
import { unpackValue } from '../../src/codec/value.ts'
import type { Entry, HardState } from '../../src/raft/types.ts'
import { directoryAt, makeDirectory } from '../../src/storage/directory.ts'
import { readKeyRecord } from '../../src/storage/layout.ts'
import type { Identity, LogStore } from '../../src/storage/log-store.ts'
import { type Dice, type Opened, openNode } from '../../src/storage/opening.ts'
import { homeAt } from '../../src/storage/service.ts'
import type { StateMachine } from '../../src/storage/state-machine.ts'
import type { Random } from '../simulation/random.ts'
import { type ClusterMarker, textOf } from './cluster-workload.ts'
import { emptyContent, type LogContent, type LogMarker, plan } from './log-workload.ts'
import type { Recording, Said } from './recording.ts'

/** A promise that was not kept. */
export class Broken extends Error {}

/** What an image held. */
export interface Recovered {
  readonly identity: Identity
  readonly incarnation: number
  readonly hardState: HardState
  readonly entries: readonly Entry[]
  /** Of the state as it was found, or made anew. */
  readonly trustedIndex: number
  readonly kv: ReadonlyMap<string, KeyContent>
}

interface KeyContent {
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly value: Buffer
}

/** @throws what the node says that refuses to open, or a crash of the whole process */
export async function openImage(node: string, random: Random): Promise<Recovered> {
  const dice: Dice = {
    id: (bytes) => Array.from({ length: 2 * bytes }, () => random.below(16).toString(16)).join(''),
    below: (end) => random.below(end),
    next: () => random.next(),
  }
  makeDirectory(node)
  const home = { ...homeAt(directoryAt(node)), bootId: () => 'after the power cut' }
  const opened = openNode(home, dice)
  try {
    return recover(opened)
  } finally {
    await opened.state.close()
    await opened.log.close()
  }
}

function recover({ log, state, identity, incarnation }: Opened): Recovered {
  const trustedIndex = state.appliedIndex
  const entries = entriesOf(log)
  const isCluster = identity.clusterId !== null
  if (isCluster) for (const entry of entries.slice(trustedIndex)) state.apply([entry], null)
  return { identity, incarnation, hardState: log.hardState, entries, trustedIndex, kv: kvOf(state) }
}

/** Copies: the map is gone when the log is closed. */
function entriesOf(log: LogStore): Entry[] {
  return log
    .entries(log.firstIndex, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
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

/** @throws Broken */
export function judge(recording: Recording, final: Recovered, cut: number, found: Recovered): void {
  const said = recording.markers.filter(({ at }) => at < cut)
  if (recording.workload === 'log') judgeLog(recording.seed, said as Said<LogMarker>[], found)
  else judgeCluster(said as Said<ClusterMarker>[], final, found)
}

// ── a log store ─────────────────────────────────────────────────────────────────────────────────

function judgeLog(seed: number, said: readonly Said<LogMarker>[], found: Recovered): void {
  const contents = [emptyContent, ...plan(seed).map(({ after }) => after)]
  const count = (type: LogMarker['type']): number =>
    said.filter(({ marker }) => marker.type === type).length
  const [ended, begun] = [count('end'), count('begin')]
  const possible = contents.slice(ended, begun + 1)
  const holds = ({ hardState, entries }: LogContent): boolean =>
    isDeepStrictEqual(found.hardState, hardState) &&
    isDeepStrictEqual(found.entries.map(plain), entries.map(plain))
  demand(
    possible.some(holds),
    `the log is not as write ${ended}${begun > ended ? ` or ${begun}` : ''} left it: ${describe(found)}`,
  )
}

// ── a cluster of one ────────────────────────────────────────────────────────────────────────────

function judgeCluster(
  said: readonly Said<ClusterMarker>[],
  final: Recovered,
  found: Recovered,
): void {
  const { entries, hardState, identity, incarnation } = found
  for (const entry of entries) {
    const last = final.entries[entry.index - 1]
    demand(
      last !== undefined && isDeepStrictEqual(plain(entry), plain(last)),
      `entry ${entry.index} was never written so`,
    )
  }
  const changes = changesOf(entries)
  demandAcknowledged(said, changes, hardState, identity, final.identity)
  demandProposed(said, changes)
  const lastTerm = entries.at(-1)?.term ?? 0
  demand(hardState.term >= lastTerm, `term ${hardState.term}, but an entry of term ${lastTerm}`)
  for (const { type, bytes } of entries)
    if (type === 'batch')
      demand(batchOwner(bytes).incarnation < incarnation, 'an incarnation was used twice')
  const expected = modelOf(entries)
  demand(isDeepStrictEqual(found.kv, expected), 'the state is not what the log adds up to')
}

function demandAcknowledged(
  said: readonly Said<ClusterMarker>[],
  changes: ReadonlyMap<string, number>,
  { term }: HardState,
  identity: Identity,
  truth: Identity,
): void {
  const proposals = new Map<number, string>()
  let counted = new Map<string, number>()
  for (const { marker } of said) {
    if (marker.type === 'propose') proposals.set(marker.id, nameOf(marker))
    else {
      const name = proposals.get(marker.id) ?? ''
      counted = counted.set(name, (counted.get(name) ?? 0) + 1)
      demand(term >= marker.term, `acknowledged in term ${marker.term}, recovered term ${term}`)
      demand(identity.nodeId === truth.nodeId, 'acknowledged, but the node has forgotten its id')
      demand(identity.clusterId === truth.clusterId, 'acknowledged, but the cluster is forgotten')
    }
  }
  for (const [name, count] of counted)
    demand((changes.get(name) ?? 0) >= count, `acknowledged, but lost: ${name}`)
}

function demandProposed(
  said: readonly Said<ClusterMarker>[],
  changes: ReadonlyMap<string, number>,
): void {
  const proposed = new Map<string, number>()
  for (const { marker } of said)
    if (marker.type === 'propose')
      proposed.set(nameOf(marker), (proposed.get(nameOf(marker)) ?? 0) + 1)
  for (const [name, count] of changes)
    demand((proposed.get(name) ?? 0) >= count, `recovered, but never proposed: ${name}`)
}

/** Values differ between puts; deletes of one key are counted. */
function nameOf({ id, key, length }: Extract<ClusterMarker, { type: 'propose' }>): string {
  return length === null ? `delete ${key}` : `put ${key} ${textOf(id, length)}`
}

function changesOf(entries: readonly Entry[]): Map<string, number> {
  const changes = new Map<string, number>()
  for (const { type, bytes } of entries) {
    for (const { key, value } of type === 'batch' ? readCommands(bytes) : []) {
      const what = value === null ? `delete ${key}` : `put ${key} ${unpackValue(value)}`
      changes.set(what, (changes.get(what) ?? 0) + 1)
    }
  }
  return changes
}

/** The state worked out a second time. Batches of one node arrive in order, each once. */
export function modelOf(entries: readonly Entry[]): Map<string, KeyContent> {
  const kv = new Map<string, KeyContent>()
  let revision = 0
  for (const { type, bytes } of entries) {
    for (const command of type === 'batch' ? readCommands(bytes) : []) {
      const key = command.key.toString()
      const known = kv.get(key)
      if (command.value === null && known === undefined) continue
      revision++
      const createRevision = known?.createRevision ?? revision
      const version = (known?.version ?? 0) + 1
      const { value } = command
      if (value === null) kv.delete(key)
      else
        kv.set(key, { createRevision, modRevision: revision, version, value: Buffer.from(value) })
    }
  }
  return kv
}

function plain({ bytes, ...entry }: Entry): object {
  return { ...entry, bytes: Buffer.from(bytes) }
}

function describe({ hardState, entries }: Recovered): string {
  const last = entries.at(-1)
  const end = last === undefined ? 'no entries' : `entries to ${last.index} of term ${last.term}`
  return `term ${hardState.term}, vote ${hardState.votedFor}, ${end}`
}

function demand(condition: boolean, message: string): void {
  if (!condition) throw new Broken(message)
}
