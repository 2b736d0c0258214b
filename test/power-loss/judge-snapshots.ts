/**
 * Holds what was recovered of a cluster whose logs are cut against what was said, and seen, before the power
 * failed. What a node has forgotten of the entries is in its state, and a state is as old as its revision says: it
 * must be what the keys had become by then.
 */
import { isDeepStrictEqual } from 'node:util'
import { batchOwner, readCommands } from '../../src/codec/command.ts'
import { unpackValue } from '../../src/codec/value.ts'
import type { Entry } from '../../src/raft/types.ts'
import { type ClusterMarker, type Happened, textOf } from './cluster-marker.ts'
import { areAlike, demand } from './judge.ts'
import type { Said } from './recording.ts'
import type { KeyContent, Recovered } from './recover.ts'

/** @throws Broken */
export function judgeSnapshots(
  history: readonly Happened[],
  said: readonly Said<ClusterMarker>[],
  found: readonly Recovered[],
): void {
  const proposed = new Map<number, string>()
  const acknowledged = new Set<string>()
  for (const { marker } of said) {
    if (marker.type === 'acknowledge') acknowledged.add(proposed.get(marker.id) ?? '')
    else if (marker.length !== null) proposed.set(marker.id, textOf(marker.id, marker.length))
  }
  const texts = new Set(proposed.values())
  for (const node of found) judgeNode(node, history, texts)
  demandAlike(found)
  const quorum = Math.floor(found.length / 2) + 1
  const held = found.map((node) => heldBy(node, history))
  // Deletes say nothing of their own; what they did to the keys is in the states.
  for (const text of acknowledged) {
    const holders = held.filter((texts) => texts.has(text)).length
    demand(text === '' || holders >= quorum, `acknowledged, but held by ${holders}: ${text}`)
  }
}

/** What the keys had become at this revision. */
export function contentAt(
  history: readonly Happened[],
  revision: number,
): Map<string, Omit<KeyContent, 'value'> & { readonly text: string }> {
  const content = new Map<string, Omit<KeyContent, 'value'> & { readonly text: string }>()
  for (const happened of history) {
    if (happened.revision > revision) break
    const { key, text } = happened
    const { createRevision = happened.revision, version = 0 } = content.get(key) ?? {}
    const [modRevision, next] = [happened.revision, version + 1]
    if (text === null) content.delete(key)
    else content.set(key, { createRevision, modRevision, version: next, text })
  }
  return content
}

function judgeNode(
  { entries, hardState, identity, incarnation, ...node }: Recovered,
  history: readonly Happened[],
  proposed: ReadonlySet<string>,
): void {
  const { baseIndex, trustedIndex, appliedIndex, revision, kv } = node
  const lastIndex = baseIndex + entries.length
  const lastTerm = entries.at(-1)?.term ?? 0
  demand(hardState.term >= lastTerm, `term ${hardState.term}, but an entry of term ${lastTerm}`)
  demand(
    baseIndex <= trustedIndex && trustedIndex <= appliedIndex && appliedIndex <= lastIndex,
    `a state of entry ${trustedIndex}, applied to ${appliedIndex}, a log from ${baseIndex} to ${lastIndex}`,
  )
  const content = [...kv].map(([key, { value, ...rest }]) => [
    key,
    { ...rest, text: unpackValue(value) },
  ])
  const due = [...contentAt(history, revision)]
  demand(
    isDeepStrictEqual(new Map(content as typeof due), new Map(due)),
    `the state of revision ${revision} is not what the keys had become`,
  )
  for (const { type, bytes } of entries) {
    const owner = type === 'batch' ? batchOwner(bytes) : null
    const isReused = owner?.node === identity.nodeId && owner.incarnation >= incarnation
    demand(!isReused, 'an incarnation is used again')
  }
  for (const text of textsOf(entries)) demand(proposed.has(text), `never proposed: ${text}`)
}

/** Log matching (paper §5.3), as far as both still have the entries. */
function demandAlike(found: readonly Recovered[]): void {
  for (const { entries } of found)
    for (const other of found)
      for (const entry of entries) {
        const like = other.entries[entry.index - other.baseIndex - 1]
        demand(
          like === undefined || like.term !== entry.term || areAlike([entry], [like]),
          `two entries ${entry.index} of term ${entry.term} differ`,
        )
      }
}

/** Texts that were put, as far as its state is, and in its log. */
function heldBy({ revision, entries }: Recovered, history: readonly Happened[]): Set<string> {
  const applied = history.flatMap((each) => (each.revision <= revision ? (each.text ?? []) : []))
  return new Set([...applied, ...textsOf(entries)])
}

function textsOf(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ type, bytes }) =>
    (type === 'batch' ? readCommands(bytes) : []).flatMap(({ value }) =>
      value === null ? [] : `${unpackValue(value)}`,
    ),
  )
}
