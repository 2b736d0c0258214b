/** One member of three whose state is asked about: what leads up to it, and what came of it. */
import assert from 'node:assert/strict'
import type { NetworkToStorage, WireRpc } from '../../src/messages.ts'
import { sortMembers } from '../../src/raft/membership.ts'
import type { Membership } from '../../src/raft/types.ts'
import { batchEntry } from '../support/batches.ts'
import {
  append,
  type Came,
  lead,
  leader,
  members,
  openStage,
  other,
  type Stage,
  tick,
} from './stage.ts'

export const last = 4

/** And what follows of itself: entries that were left to be applied, answers that leave with the next turn. */
export function turn(
  stage: Stage,
  came: readonly Came[],
  calls: readonly NetworkToStorage[] = [],
): void {
  stage.turn(came, calls)
  for (let next = stage.scheduled.shift(); next !== undefined; next = stage.scheduled.shift())
    next()
  stage.turn([])
}

/** What takes a while, and what follows of it. */
export function finishCopies(stage: Stage): void {
  for (let end = stage.later.shift(); end !== undefined; end = stage.later.shift()) {
    end()
    turn(stage, [])
  }
}

/** It follows, and has applied three batches. */
export function openFollower(): Stage {
  const stage = openStage()
  const entries = [2, 3, last].map((index) =>
    batchEntry(index, [['put', `k${index}`, index]], { sequence: index - 1 }),
  )
  turn(stage, [[leader, append(entries, last)]])
  assert.equal(stage.appliedIndex(), last)
  return stage
}

export function digestAt(stage: Stage, index: number): number | null {
  const known = replies(stage).length
  turn(stage, [[leader, { type: 'audit', index }]])
  return replies(stage)[known]?.digest ?? null
}

export function replies({ rpcs }: Stage): readonly Extract<WireRpc, { type: 'auditReply' }>[] {
  return rpcs.flatMap((rpc) => (rpc.type === 'auditReply' ? [rpc] : []))
}

export function found({ reports }: Stage): readonly string[] {
  return reports.flatMap((report) => (report.type === 'stateFound' ? [report.reason] : []))
}

export function count({ rpcs }: Stage, type: WireRpc['type']): number {
  return rpcs.filter((rpc) => rpc.type === type).length
}

/** Elected, with all its entries committed by the other. */
export function openLeader(first: Membership = members): Stage {
  const stage = openStage({ first })
  lead(stage)
  const { term, lastIndex } = stage.board.read()
  turn(stage, [[leader, { type: 'appendReply', term, accepted: true, matchIndex: lastIndex }]])
  return stage
}

const ticksMax = 2_000

/** Ticks, in each of which this comes. */
export function tickUntil(stage: Stage, came: readonly Came[], isReached: () => boolean): void {
  for (let ticks = 0; !isReached(); ticks++) {
    assert.ok(ticks < ticksMax, `not reached in ${ticksMax} ticks`)
    turn(stage, came, [tick])
  }
}

/** Ticks until the leader asks the others; who is heard keeps it in its office. Returns the entry it asks about. */
export function askedFor(stage: Stage): number {
  const before = count(stage, 'audit')
  const { term } = stage.board.read()
  const heard: Came = [leader, { type: 'heartbeatReply', term, round: 0 }]
  tickUntil(stage, [heard], () => count(stage, 'audit') > before)
  const asked = stage.rpcs.flatMap((rpc) => (rpc.type === 'audit' ? [rpc.index] : []))
  return asked.at(-1) ?? assert.fail()
}

export const beat: Came = [leader, { type: 'heartbeatReply', term: 2, round: 0 }]

export const beats: readonly Came[] = [leader, other].map((from) => [
  from,
  { type: 'heartbeatReply', term: 2, round: 0 },
])

/** A batch of the other's is committed, for these hold it. */
export function put(stage: Stage, sequence: number, holders: readonly string[] = [leader]): void {
  const { bytes: batch } = batchEntry(0, [['put', 'k', 1]], { node: other, sequence })
  turn(stage, [[other, { type: 'forward', batch }]])
  const { lastIndex: matchIndex } = stage.board.read()
  turn(
    stage,
    holders.map((id) => [id, { type: 'appendReply', term: 2, accepted: true, matchIndex }]),
  )
  assert.equal(stage.board.read().commitIndex, matchIndex)
}

/** All of them hold its log. */
export function openLeaderOfFive(): { stage: Stage; matchIndex: number } {
  const five = [...'de'].map(
    (id, n) => ({ id, address: `127.0.0.1:${n + 4}`, role: 'voter' }) as const,
  )
  const stage = openLeader(sortMembers([...members, ...five]))
  const { lastIndex: matchIndex } = stage.board.read()
  for (const from of [leader, other])
    turn(stage, [[from, { type: 'appendReply', term: 2, accepted: true, matchIndex }]])
  return { stage, matchIndex }
}
