/**
 * A member that stops itself, as its callers, its peers and its program see it: whoever waits hears why,
 * nothing of it is left, the others go on, and once the cause is gone it comes back.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodeRecord } from '../../src/codec/record.ts'
import type { Node } from '../../src/index.ts'
import {
  type Environment,
  numberKey,
  openLogEnvironment,
  type Table,
} from '../../src/storage/environment.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { StateReader } from '../../src/storage/reader.ts'
import { Insider } from '../hostile/insider.ts'
import { temporaryDir } from '../support/cleanup.ts'
import {
  isLive,
  leaderOf,
  nodeAt,
  openCluster,
  portOf,
  settled,
  skiff,
} from '../support/cluster.ts'
import { takePort } from '../support/tcp.ts'
import { endThread, spyOnThreads, threadsLeft } from '../support/threads.ts'
import { until } from '../support/until.ts'
import { callAll } from './calls.ts'

spyOnThreads()

const secret = 'open sesame'
/** For a machine under stress; nothing waits for it unless it fails. */
const timeoutMs = 60_000
/** More than one page of a scan. */
const keys = 600

interface Cause {
  readonly what: string
  readonly code: 'SKIFF_CRASHED' | 'SKIFF_STORAGE'
  readonly failure: RegExp
  /** Before the others are closed. Returns what makes it happen, and what takes the cause away. */
  readonly prepare: (victim: Node) => Promise<Trigger>
}

interface Trigger {
  readonly strike: () => unknown
  readonly mend: () => Promise<void>
}

const nothing = async (): Promise<void> => undefined

const causes: readonly Cause[] = [
  {
    what: 'a failed assertion: a second leader in its term',
    code: 'SKIFF_CRASHED',
    failure: /AssertionError: two leaders in term/,
    async prepare(victim) {
      const insider = await Insider.enter(portOf(victim.address), secret)
      const strike = (): void => {
        const { term } = victim.status()
        for (const rpc of [term, term + 1])
          insider.say({ type: 'heartbeat', term: rpc, commitIndex: 2 ** 40, round: 0 })
      }
      return { strike, mend: nothing }
    },
  },
  {
    what: 'an entry that is found corrupt when it is read',
    code: 'SKIFF_STORAGE',
    failure: /log entry \d+ .*is corrupt: .*checksum/,
    async prepare(victim) {
      const { index, record } = await newestBatch(victim)
      await changeEntry(victim, index, flipLastBit(record))
      return {
        // Reads the past, from the log.
        strike: () => void victim.watch('', { fromRevision: 1 }).ready.catch(() => undefined),
        mend: () => changeEntry(victim, index, record),
      }
    },
  },
  {
    what: 'the death of the storage thread',
    code: 'SKIFF_CRASHED',
    failure: /an actor died: worker exited/,
    prepare: async ({ dir }) => ({ strike: () => endThread(dir, 'storage'), mend: nothing }),
  },
  {
    what: 'the death of the codec thread',
    code: 'SKIFF_CRASHED',
    failure: /an actor died: worker exited/,
    prepare: async ({ dir }) => ({ strike: () => endThread(dir, 'codec'), mend: nothing }),
  },
]

for (const { what, code, failure, prepare } of causes) {
  test(`${what} ends one member, and nobody else`, { timeout: timeoutMs }, async (t) => {
    const { cluster, victim, lone } = await openCast(t)
    const { strike, mend } = await prepare(victim)
    const scan = victim.scan()
    await scan.next()
    const others = cluster.nodes.filter((node) => node !== victim)
    for (const node of others) await node.close()
    const calls = await callAll(t, victim, lone)
    await strike()

    assert.deepEqual(await calls.fates, calls.expected(code))
    await assert.rejects(takeAll(scan), skiff(code, 'not-applied', failure))
    await assertRefuses(victim, code, failure)
    await assertGone(victim)

    for (const { id } of others) await cluster.restart(id)
    await cluster.put('meanwhile', 'the others go on')
    const leader = await leaderOf(cluster)
    assert.notEqual(leader.id, victim.id)
    await mend()
    const again = await cluster.restart(victim.id)
    await until(async () => {
      return (await again.get('meanwhile', { consistency: 'stale' })) !== undefined
    }, 'it catches up')
    await again.put('k', 'as before')
    assert.equal(await leader.get('k'), 'as before')
    await settled(cluster)
    assert.equal(again.status().failure, null)
  })
}

test('a node whose lock is taken away stops, and says why', async (t) => {
  const cluster = await openCluster(t)
  const node = nodeAt(cluster, 0)
  await node.put('k', 1)
  rmSync(join(node.dir, 'lock'))
  await until(() => !isLive(node), 'it stops')
  await assertRefuses(node, 'SKIFF_STORAGE', /the lock .* was taken away/)
  await assertGone(node)
})

test('a lock that cannot be refreshed stops its node, not the program', async (t) => {
  const cluster = await openCluster(t)
  const node = nodeAt(cluster, 0)
  const failing = t.mock.method(DirectoryLock.prototype, 'refresh', () => {
    throw new Error('EROFS')
  })
  await until(() => !isLive(node), 'it stops')
  failing.mock.restore()
  await assertRefuses(node, 'SKIFF_CRASHED', /EROFS/)
  await assertGone(node)
})

test('whatever goes wrong at the end of a node, all else of it is given back, and it says what', async (t) => {
  const cluster = await openCluster(t, { nodes: 2 })
  const [first, second] = [nodeAt(cluster, 0), nodeAt(cluster, 1)]
  const broken = t.mock.method(StateReader.prototype, 'close', () => {
    throw new Error('EIO')
  })
  await first.close()
  broken.mock.restore()
  assert.match(first.status().failure ?? '', /EIO/)
  await assertGone(first)

  const { dir } = second
  rmSync(join(dir, 'lock'))
  mkdirSync(join(dir, 'lock'))
  await second.close()
  assert.match(second.status().failure ?? '', /cannot re(lease|fresh) the lock .*EISDIR/)
  assert.equal(threadsLeft(dir), 0)
})

/** Three members that were started again, so that no entry is in memory; the victim leads. */
async function openCast(t: TestContext) {
  const dir = await temporaryDir(t)
  const options = { dir, nodes: 3, workers: 2, secret, timeoutMs }
  const first = await openCluster(t, options)
  await first.put('k', 1)
  await Promise.all(Array.from({ length: keys }, (_, n) => first.put(`many/${n}`, n)))
  await first.close()
  const cluster = await openCluster(t, options)
  const victim = await leaderOf(cluster)
  await settled(cluster)
  const lone = await openCluster(t, { join: [], secret })
  return { cluster, victim, lone: lone.status().address }
}

async function takeAll(scan: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of scan);
}

/** At the end, and for good; the first reason stays. */
async function assertRefuses(victim: Node, code: Cause['code'], failure: RegExp): Promise<void> {
  const { role, leaderId, failure: reason } = victim.status()
  assert.deepEqual({ role, leaderId }, { role: 'stopped', leaderId: null })
  assert.match(reason ?? '', failure)
  const refused = skiff(code, 'not-applied', failure)
  await assert.rejects(victim.put('k', 3), refused)
  await assert.rejects(victim.get('k', { consistency: 'stale' }), refused)
  assert.throws(() => victim.scan(), refused)
  assert.throws(() => victim.watch(''), refused)
  await assert.rejects(victim.members(), refused)
  await assert.rejects(victim.waitForLeader(), refused)
}

/** Its threads, its port and its lock; it does that by itself, `close` only waits for it. */
async function assertGone(victim: Node): Promise<void> {
  await until(() => !existsSync(join(victim.dir, 'lock')), 'its lock is given back')
  await victim.close()
  assert.equal(threadsLeft(victim.dir), 0)
  assert.deepEqual(victim.status().links, [])
  await takePort(portOf(victim.address))
}

// ── behind the back of a node ───────────────────────────────────────────────────────────────────

async function withLog<T>({ dir }: Node, act: (log: Environment, entries: Table) => T): Promise<T> {
  const environment = openLogEnvironment(join(dir, 'log'))
  try {
    return act(environment, environment.openTable('log'))
  } finally {
    await environment.close()
  }
}

function newestBatch(node: Node): Promise<{ index: number; record: Buffer }> {
  return withLog(node, (_, entries) => {
    for (let index = node.status().lastIndex; index > 0; index--) {
      const record = Buffer.from(entries.get(numberKey(index)) ?? [])
      if (decodeRecord(record).type === 'batch') return { index, record }
    }
    return assert.fail('no batch in the log')
  })
}

function changeEntry(node: Node, index: number, record: Buffer): Promise<void> {
  return withLog(node, (log, entries) => {
    log.transactionSync(() => entries.putSync(numberKey(index), record))
  })
}

function flipLastBit(record: Buffer): Buffer {
  const changed = Buffer.from(record)
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1)
  return changed
}
