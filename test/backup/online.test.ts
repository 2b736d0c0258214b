/** How a backup goes with its node: what it asks for, lets go, and hears at the end. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { Control, serveControl } from '../../src/actor/control.ts'
import { Backups } from '../../src/backup/online.ts'
import { SkiffError } from '../../src/errors.ts'
import { noMembership } from '../../src/raft/membership.ts'
import type { SnapshotMark } from '../../src/raft/types.ts'
import { directoryAt } from '../../src/storage/directory.ts'
import type { StorageControl } from '../../src/storage/service.ts'
import { SnapshotFolder } from '../../src/storage/snapshot-files.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'
import { until } from '../support/until.ts'

const nodeId = '00000000000000aa'
const member = { id: nodeId, address: '127.0.0.1:1', role: 'voter' as const }

/** A node whose storage answers as it is told to. */
async function fakeNode(t: TestContext, hash: string) {
  const dir = await temporaryDir(t)
  const snapshot: SnapshotMark = {
    ...{ index: 7, term: 3, membership: noMembership },
    ...{ bytes: 100, hash },
  }
  mkdirSync(join(dir, 'snapshots'))
  writeFileSync(new SnapshotFolder(directoryAt(dir), 0).path(snapshot), Buffer.alloc(100))
  const { port1, port2 } = new MessageChannel()
  const calls: string[] = []
  let answer: () => void = () => undefined
  const asked = new Promise<void>((resolve) => {
    answer = resolve
  })
  const served = {
    holdSnapshot: async () => {
      await asked
      calls.push('hold')
      return snapshot
    },
    releaseSnapshot: () => {
      calls.push('release')
    },
  }
  serveControl(served, port2)
  const control = new Control<StorageControl>(port1)
  defer(t, () => control.close())
  const node = {
    id: nodeId,
    dir,
    members: async () => {
      calls.push('catch up')
      return [member]
    },
    status: () => ({ appliedIndex: 7 }),
  }
  const source = { control, clusterId: () => 'c', alive: <T>(promise: Promise<T>) => promise }
  return { backups: new Backups(node, source), dir, answer, calls }
}

test('a snapshot whose bytes are not what they were becomes no backup, and is let go', async (t) => {
  const { backups, dir, answer, calls } = await fakeNode(t, 'another')
  answer()
  const made = backups.run(join(dir, 'one.skiff'))
  await assert.rejects(made, skiff('SKIFF_STORAGE', 'not-applied', /is damaged/))
  assert.deepEqual(readdirSync(dir), ['snapshots'])
  assert.deepEqual(calls, ['catch up', 'hold', 'release'])
})

test('a backup that asks nobody only takes a snapshot', async (t) => {
  const { backups, dir, answer, calls } = await fakeNode(t, 'another')
  answer()
  const made = backups.run(join(dir, 'one.skiff'), { consistency: 'stale' })
  await assert.rejects(made, skiff('SKIFF_STORAGE', 'not-applied'))
  assert.deepEqual(calls, ['hold', 'release'])
})

test('a backup that is given up while it waits for its snapshot lets that go when it comes', async (t) => {
  const { backups, dir, answer, calls } = await fakeNode(t, 'any')
  const dying = new AbortController()
  const made = backups.run(join(dir, 'one.skiff'), { signal: dying.signal })
  const reason = new Error('enough')
  dying.abort(reason)
  await assert.rejects(made, reason)
  answer()
  await until(() => calls.length === 3, 'the snapshot is taken, and let go')
  assert.deepEqual(calls, ['catch up', 'hold', 'release'])
})

test('what waits for the node when it ends is told so', async (t) => {
  const { backups } = await fakeNode(t, 'any')
  const waiting = backups.unlessEnded(new Promise<never>(() => undefined))
  const closed = new SkiffError('SKIFF_CLOSED', 'not-applied', 'the node is closed')
  await backups.end(closed)
  await assert.rejects(waiting, closed)
  await assert.rejects(backups.unlessEnded(new Promise<never>(() => undefined)), closed)
})
