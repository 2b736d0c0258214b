/**
 * Holds what was recovered from an image against what was said before the power failed:
 * acknowledged ⊆ recovered ⊆ proposed. In a cluster of three, recovered means by a majority.
 */
import { isDeepStrictEqual } from 'node:util'
import { batchOwner, readCommands } from '../../src/codec/command.ts'
import { unpackValue } from '../../src/codec/value.ts'
import type { Entry } from '../../src/raft/types.ts'
import { type ClusterMarker, textOf } from './cluster-marker.ts'
import { judgeSnapshots } from './judge-snapshots.ts'
import { emptyContent, type LogContent, type LogMarker, plan } from './log-plan.ts'
import type { Recording, Said } from './recording.ts'
import type { KeyContent, Recovered } from './recover.ts'

/** A promise that was not kept. */
export class Broken extends Error {}

/**
 * @returns the entries that a cluster, started on this, must have applied
 * @throws Broken
 */
export function judge(
  recording: Recording,
  final: readonly Recovered[],
  cut: number,
  found: readonly Recovered[],
): readonly Entry[] {
  const said = recording.markers.filter(({ at }) => at < cut)
  if (recording.workload === 'snapshots') {
    judgeSnapshots(recording.history, said as Said<ClusterMarker>[], found)
    return []
  }
  if (recording.workload !== 'log') return judgeCluster(said as Said<ClusterMarker>[], final, found)
  judgeLog(recording.seed, said as Said<LogMarker>[], found)
  return []
}

// ── a log store ─────────────────────────────────────────────────────────────────────────────────

function judgeLog(
  seed: number,
  said: readonly Said<LogMarker>[],
  [found]: readonly Recovered[],
): void {
  if (found === undefined) throw new Broken('no log')
  const contents = plannedContents(seed)
  const count = (type: LogMarker['type']): number =>
    said.filter(({ marker }) => marker.type === type).length
  const [ended, begun] = [count('end'), count('begin')]
  const possible = contents.slice(ended, begun + 1)
  const holds = ({ hardState, entries }: LogContent): boolean =>
    isDeepStrictEqual(found.hardState, hardState) && areAlike(found.entries, entries)
  demand(
    possible.some(holds),
    `the log is not as write ${ended}${begun > ended ? ` or ${begun}` : ''} left it: ${describe(found)}`,
  )
}

const planned = new Map<number, readonly LogContent[]>()

/** After each number of writes. */
function plannedContents(seed: number): readonly LogContent[] {
  const known = planned.get(seed) ?? [emptyContent, ...plan(seed).map(({ after }) => after)]
  planned.set(seed, known)
  return known
}

// ── a cluster ───────────────────────────────────────────────────────────────────────────────────

function judgeCluster(
  said: readonly Said<ClusterMarker>[],
  final: readonly Recovered[],
  found: readonly Recovered[],
): readonly Entry[] {
  const markers = said.map(({ marker }) => marker)
  const proposed = markers.filter((marker) => marker.type === 'propose')
  const acknowledged = new Map<string, number>()
  for (const marker of markers) {
    const proposal = marker.type === 'acknowledge' ? proposed[marker.id - 1] : undefined
    if (proposal !== undefined) add(acknowledged, nameOf(proposal))
  }
  for (const [n, node] of found.entries()) judgeNode(node, final[n], proposed)
  demandAlike(found)
  const quorum = Math.floor(found.length / 2) + 1
  const changes = found.map(({ entries }) => changesOf(entries))
  for (const [name, count] of acknowledged) {
    const holders = changes.filter((held) => (held.get(name) ?? 0) >= count).length
    demand(holders >= quorum, `acknowledged, but held by ${holders} of ${found.length}: ${name}`)
  }
  if (found.length > 1) return committed(acknowledged, found)
  judgeOnly(markers, final, found)
  return found[0]?.entries ?? []
}

/** Up to the last acknowledged put. Of what is behind it a leader of a later term may know better. */
function committed(
  acknowledged: ReadonlyMap<string, number>,
  found: readonly Recovered[],
): readonly Entry[] {
  const isAcknowledged = (entry: Entry): boolean =>
    [...changesOf([entry]).keys()].some((name) => name.startsWith('put') && acknowledged.has(name))
  const logs = found.map(({ entries }) =>
    entries.slice(0, entries.findLastIndex(isAcknowledged) + 1),
  )
  return logs.reduce((longest, log) => (log.length > longest.length ? log : longest))
}

function judgeNode(
  { entries, hardState, incarnation, trustedIndex, appliedIndex, kv, identity }: Recovered,
  final: Recovered | undefined,
  proposed: readonly Proposal[],
): void {
  const lastTerm = entries.at(-1)?.term ?? 0
  demand(hardState.term >= lastTerm, `term ${hardState.term}, but an entry of term ${lastTerm}`)
  demand(
    trustedIndex <= appliedIndex && appliedIndex <= entries.length,
    `a state of entry ${trustedIndex} is believed beside a log to ${entries.length}`,
  )
  const model = modelOf(entries.slice(0, appliedIndex))
  demand(isDeepStrictEqual(kv, model), 'the state is not what the log adds up to')
  const { clusterId, nodeId } = identity
  demand(
    entries.length === 0 ||
      (clusterId === final?.identity.clusterId && nodeId === final.identity.nodeId),
    'there are entries, but the node has forgotten who it is',
  )
  for (const { type, bytes } of entries) {
    const owner = type === 'batch' ? batchOwner(bytes) : null
    const isReused = owner?.node === nodeId && owner.incarnation >= incarnation
    demand(!isReused, 'an incarnation is used again')
  }
  const names = new Map<string, number>()
  for (const proposal of proposed) add(names, nameOf(proposal))
  for (const [name, count] of changesOf(entries))
    demand((names.get(name) ?? 0) >= count, `recovered, but never proposed: ${name}`)
}

/** Nobody else could have written to it, so its log is the beginning of what it became. */
function judgeOnly(
  markers: readonly ClusterMarker[],
  [final]: readonly Recovered[],
  [found]: readonly Recovered[],
): void {
  for (const entry of found?.entries ?? []) {
    const later = final?.entries[entry.index - 1]
    demand(
      later !== undefined && areAlike([entry], [later]),
      `entry ${entry.index} was never written so`,
    )
  }
  for (const marker of markers) {
    if (marker.type !== 'acknowledge') continue
    const term = found?.hardState.term ?? 0
    demand(term >= marker.term, `acknowledged in term ${marker.term}, recovered term ${term}`)
  }
}

/** Log matching (paper §5.3): where two logs have an entry of one term, they are alike up to it. */
function demandAlike(found: readonly Recovered[]): void {
  for (const [n, { entries }] of found.entries()) {
    for (const other of found.slice(n + 1)) {
      const last = entries.findLastIndex(
        ({ index, term }) => other.entries[index - 1]?.term === term,
      )
      demand(
        areAlike(entries.slice(0, last + 1), other.entries.slice(0, last + 1)),
        'two logs differ below an entry that they share',
      )
    }
  }
}

type Proposal = Extract<ClusterMarker, { type: 'propose' }>

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** Values differ between puts; deletes of one key are counted. */
function nameOf({ id, key, length }: Proposal): string {
  return length === null ? `delete ${key}` : `put ${key} ${textOf(id, length)}`
}

function changesOf(entries: readonly Entry[]): Map<string, number> {
  const changes = new Map<string, number>()
  for (const { type, bytes } of entries) {
    for (const { key, value } of type === 'batch' ? readCommands(bytes) : []) {
      add(changes, value === null ? `delete ${key}` : `put ${key} ${unpackValue(value)}`)
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

export function areAlike(one: readonly Entry[], other: readonly Entry[]): boolean {
  const isLike = ({ index, term, type, bytes }: Entry, like: Entry | undefined): boolean =>
    index === like?.index &&
    term === like.term &&
    type === like.type &&
    Buffer.compare(bytes, like.bytes) === 0
  return one.length === other.length && one.every((entry, n) => isLike(entry, other[n]))
}

function describe({ hardState, entries }: Recovered): string {
  const last = entries.at(-1)
  const end = last === undefined ? 'no entries' : `entries to ${last.index} of term ${last.term}`
  return `term ${hardState.term}, vote ${hardState.votedFor}, ${end}`
}

export function demand(condition: boolean, message: string): void {
  if (!condition) throw new Broken(message)
}
