/** What backup and restore ask of storage: snapshots that stay, and logs and states that begin again. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { packEntries } from '../../src/codec/record.ts'
import { configurationOf, encodeConfiguration, noMembership } from '../../src/raft/membership.ts'
import type { Entry, SnapshotMark } from '../../src/raft/types.ts'
import { directoryAt } from '../../src/storage/directory.ts'
import { openLogEnvironment, openStateEnvironment } from '../../src/storage/environment.ts'
import { membershipKey } from '../../src/storage/layout.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import { SnapshotFolder } from '../../src/storage/snapshot-files.ts'
import { type SnapshotFiles, Snapshots } from '../../src/storage/snapshots.ts'
import { hashedTables, noRows, StateHash } from '../../src/storage/state-hash.ts'
import { StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry, noop } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'

const nodeId = '00000000000000aa'
const member = { id: nodeId, address: '127.0.0.1:1', role: 'voter' as const }
const founding = configurationOf([member])
const membership: Entry = {
  index: 1,
  term: 1,
  type: 'membership',
  bytes: encodeConfiguration(founding),
}

function markAt(index: number): SnapshotMark {
  return { index, term: 3, membership: noMembership, bytes: 100, hash: 'h' }
}

test('a log that begins behind a snapshot can found a cluster there, and tells the snapshot its members', async (t) => {
  const path = join(await temporaryDir(t), 'log')
  const { store: log } = LogStore.open(openLogEnvironment(path), path)
  const nobody = { clusterId: null, address: null, starts: 0, lineage: [], disowned: null }
  const identity = { nodeId, ...nobody }
  const stateMark = { bootId: '', clean: true, lost: false, unproven: 0, generation: 0 }
  log.beginBehind(markAt(40), identity, stateMark)
  assert.throws(() => log.beginBehind(markAt(41), identity, stateMark), /only a new log/)
  assert.deepEqual([log.base, log.lastIndex], [{ index: 40, term: 3 }, 40])
  assert.deepEqual(log.hardState, { term: 3, votedFor: null })
  const founder = { ...identity, clusterId: 'c'.repeat(32), address: member.address }
  const first = { ...membership, index: 41, term: 4 }
  log.bootstrap(founder, first, packEntries([first]))
  assert.throws(() => log.bootstrap(founder, first, packEntries([first])), /only an empty log/)
  await log.close()
  const { store, memberships } = LogStore.open(openLogEnvironment(path), path)
  defer(t, () => store.close())
  assert.deepEqual(store.identity, founder)
  assert.deepEqual(store.hardState, { term: 4, votedFor: null })
  assert.deepEqual(memberships, [
    { index: 40, ...founding },
    { index: 41, ...founding },
  ])
  assert.deepEqual(store.snapshots[0]?.membership, { index: 40, ...founding })
})

test('a state that begins anew keeps its keys and forgets members, sessions and where changes are', async (t) => {
  const state = new StateMachine(openStateEnvironment(join(await temporaryDir(t), 'state')))
  defer(t, () => state.close())
  const batch = batchEntry(1, [
    ['put', 'a', 1],
    ['put', 'b/c', 2],
  ])
  state.apply([batch, { ...membership, index: 2 }], null)
  const rowsOf = (name: 'kv' | 'prefixes' | 'sessions' | 'revisions'): number =>
    [...state.tables[name].getKeys({ start: Buffer.from([0]) })].length
  assert.deepEqual([rowsOf('sessions'), rowsOf('revisions')], [1, 1])
  state.beginAnew(1_000)
  assert.deepEqual([state.appliedIndex, state.revision], [2, 1_002])
  assert.deepEqual(state.membership, noMembership)
  assert.equal(state.tables.meta.get(membershipKey), undefined)
  assert.deepEqual([rowsOf('sessions'), rowsOf('revisions')], [0, 0])
  assert.deepEqual([rowsOf('kv'), rowsOf('prefixes')], [2, 2])
  // Members hold what they have against what they say of it: the rows that went are out of the hash, too.
  const hash = new StateHash(noRows)
  for (const name of hashedTables)
    for (const { key, value } of state.tables[name].getRange({ start: Buffer.from([0]) }))
      hash.add(name, Buffer.from(key), Buffer.from(value))
  assert.deepEqual(state.hash, hash.lanes)
  const [applied] = state.apply([batchEntry(3, [['put', 'd', 1]], { sequence: 1 })], null)
  assert.deepEqual([...(applied?.revisions ?? [])], [1_003])
})

test('a snapshot that is held stays, as often as it is held, whatever is taken meanwhile', async (t) => {
  const folder = await temporaryDir(t)
  const { store: log } = LogStore.open(openLogEnvironment(join(folder, 'log')), 'log')
  const state = new StateMachine(openStateEnvironment(join(folder, 'state')))
  defer(t, () => Promise.all([log.close(), state.close()]))
  let kept: readonly number[] = []
  let finish: (index: number) => void = () => assert.fail('none is being taken')
  const taking: Pick<SnapshotFiles, 'take' | 'keep' | 'hasRoom'> = {
    take: (_, done) => {
      finish = (index) => done({ mark: markAt(index) })
    },
    keep: (snapshots) => {
      kept = [...new Set(snapshots.map(({ index }) => index))]
    },
    hasRoom: () => true,
  }
  const files = Object.assign(new SnapshotFolder(directoryAt(folder), 0), taking)
  const limits = { logBytes: 2 ** 30, chunkBytes: 64, wake: () => undefined }
  const snapshots = new Snapshots({ files, log, state, ...limits })
  const take = (index: number): SnapshotMark => {
    const entry = index === 1 ? membership : noop(index)
    log.write({ hardState: null, truncateFrom: null, entries: [entry] }, packEntries([entry]))
    state.apply([entry], null)
    let taken: SnapshotMark | null = null
    snapshots.ask((outcome) => {
      assert.ok(!(outcome instanceof Error))
      taken = outcome
    })
    snapshots.pump([])
    finish(index)
    snapshots.pump([])
    assert.ok(taken !== null)
    return taken
  }
  const first = take(1)
  snapshots.hold(first)
  snapshots.hold(first)
  for (const index of [2, 3, 4]) take(index)
  assert.deepEqual(kept, [4, 3, 1])
  snapshots.release(first)
  take(5)
  assert.deepEqual(kept, [5, 4, 1])
  snapshots.release(first)
  take(6)
  assert.deepEqual(kept, [6, 5])
})
