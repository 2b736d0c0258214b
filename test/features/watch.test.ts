import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SkiffError, Store, Watcher } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import {
  brief,
  followerOf,
  leaderOf,
  nodeAt,
  openCluster,
  skiff,
  take,
} from '../support/cluster.ts'

async function watching<T>(watcher: Watcher<T>): Promise<Watcher<T>> {
  await watcher.ready
  return watcher
}

async function briefly(watcher: Watcher, count: number): Promise<string[]> {
  return (await take(watcher, count)).map(brief)
}

/** Two puts, a change and a delete, some of them below `parent/`. */
async function family(store: Store): Promise<void> {
  await store.put('parent/first', 1)
  await store.put('parents/other', 2)
  await store.put('parent/first', 3)
  await store.put('parent', 4)
  await store.delete('parents/other')
  await store.delete('parent/first')
  await store.put('parent/deep/er', 5)
}

for (const nodes of [1, 2, 3]) {
  test(`watch by prefix, ${nodes} node(s): puts and deletes from every node, siblings left out`, async (t) => {
    const cluster = await openCluster(t, { nodes })
    const watchers = await Promise.all(cluster.nodes.map((node) => watching(node.watch('parent/'))))
    await family(await leaderOf(cluster))
    for (const watcher of watchers) {
      assert.deepEqual(await briefly(watcher, 4), [
        '1 put parent/first 1',
        '3 put parent/first 3',
        '6 delete parent/first',
        '7 put parent/deep/er 5',
      ])
      assert.equal(watcher.revision, 7)
    }
  })
}

test("a watch of '' sees everything, a watch without a slash also longer names", async (t) => {
  const cluster = await openCluster(t)
  const all = await watching(cluster.watch(''))
  const parents = await watching(cluster.watch('parent'))
  await family(cluster)
  await cluster.put('elsewhere', 1)
  assert.equal((await take(all, 8)).length, 8)
  assert.equal((await take(parents, 7)).at(-1)?.key, 'parent/deep/er')
})

test('a watch begins with what comes after ready, not with what was before', async (t) => {
  const cluster = await openCluster(t)
  await cluster.put('before', 1)
  const watcher = await watching(cluster.watch(''))
  assert.equal(watcher.revision, 1)
  await cluster.put('after', 1)
  assert.deepEqual(await briefly(watcher, 1), ['2 put after 1'])
})

test('the changes of one turn arrive in order and all of them', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  const watcher = await watching((await followerOf(cluster)).watch<number>('n/'))
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => cluster.put(`n/${n}`, n)))
  const events = await take(watcher, 2_000)
  assert.deepEqual(
    events.map((event) => event.type === 'put' && event.value),
    Array.from({ length: 2_000 }, (_, n) => n),
  )
})

test('previous gives the value before, of changes and deletes, also within one batch', async (t) => {
  const cluster = await openCluster(t)
  await cluster.put('k', 'old')
  const watcher = await watching(cluster.watch('k', { previous: true }))
  const without = await watching(cluster.watch('k'))
  await Promise.all([cluster.put('k', 'new'), cluster.put('k', 'newer'), cluster.delete('k')])
  await cluster.put('k', 'again')
  const events = await take(watcher, 4)
  assert.deepEqual(
    events.map((event) => [event.type, event.previous]),
    [
      ['put', 'old'],
      ['put', 'new'],
      ['delete', 'newer'],
      ['put', undefined],
    ],
  )
  assert.ok(!('previous' in (events[3] ?? {})), 'there was nothing before')
  for (const event of await take(without, 4)) assert.ok(!('previous' in event))
})

test('previous together with fromRevision is a TypeError: the log keeps no old values', async (t) => {
  const cluster = await openCluster(t)
  assert.throws(() => cluster.watch('', { fromRevision: 1, previous: true }), {
    name: 'TypeError',
    message: /previous.*fromRevision/,
  })
})

test('fromRevision that is no revision is a TypeError', async (t) => {
  const cluster = await openCluster(t)
  for (const fromRevision of [0, -1, 1.5, Number.NaN, '1' as unknown as number]) {
    assert.throws(() => cluster.watch('', { fromRevision }), TypeError)
  }
})

test('a watch from a revision reads the past from the log, then goes on with the present', async (t) => {
  const cluster = await openCluster(t, { nodes: 3 })
  await family(cluster)
  for (const node of cluster.nodes) {
    await node.get('parent')
    assert.deepEqual(await briefly(node.watch('parent/', { fromRevision: 3 }), 3), [
      '3 put parent/first 3',
      '6 delete parent/first',
      '7 put parent/deep/er 5',
    ])
  }
  const watcher = cluster.watch('parent', { fromRevision: 7 })
  await cluster.put('parent', 'present')
  assert.deepEqual(await briefly(watcher, 2), ['7 put parent/deep/er 5', '8 put parent "present"'])
})

test('a watch from a revision loses nothing while writes go on', async (t) => {
  const cluster = await openCluster(t)
  const count = 3_000
  const writing = (async () => {
    for (let n = 1; n <= count; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, m) => cluster.put(`k${m}`, n + m)))
    }
  })()
  for (let start = 0; start < 5; start++) {
    await cluster.put('other', start)
    const events = await take(cluster.watch<number>('k', { fromRevision: 1 }), 500)
    assert.deepEqual(
      events.map((event) => event.type === 'put' && event.value),
      Array.from({ length: 500 }, (_, n) => n + 1),
    )
  }
  await writing
})

test('deletes of nothing leave no trace in the past', async (t) => {
  const cluster = await openCluster(t)
  await Promise.all([
    cluster.delete('a'),
    cluster.put('a', 1),
    cluster.delete('b'),
    cluster.delete('a'),
    cluster.delete('a'),
    cluster.put('b', 2),
  ])
  assert.deepEqual(await briefly(cluster.watch('', { fromRevision: 1 }), 3), [
    '1 put a 1',
    '2 delete a',
    '3 put b 2',
  ])
})

test('a watch from a revision works after a restart, too', async (t) => {
  const dir = await temporaryDir(t)
  const first = await openCluster(t, { dir })
  await family(first)
  await first.close()
  const cluster = await openCluster(t, { dir })
  assert.deepEqual(await briefly(cluster.watch('parent/', { fromRevision: 2 }), 3), [
    '3 put parent/first 3',
    '6 delete parent/first',
    '7 put parent/deep/er 5',
  ])
})

test('a watch from a revision of the future waits for it', async (t) => {
  const cluster = await openCluster(t)
  await cluster.put('k', 1)
  const watcher = await watching(cluster.watch('k', { fromRevision: 4 }))
  assert.equal(watcher.revision, 3)
  for (let n = 2; n <= 5; n++) await cluster.put('k', n)
  assert.deepEqual(await briefly(watcher, 2), ['4 put k 4', '5 put k 5'])
})

test('a slow watcher is ended with the revision to go on from, while the cluster goes on', async (t) => {
  const cluster = await openCluster(t, { nodes: 3, watcherBytesMax: 20_000 })
  const node = await followerOf(cluster)
  const slow = await watching(node.watch<number>('k/'))
  const count = 1_000
  await Promise.all(Array.from({ length: count }, (_, n) => cluster.put(`k/${n}`, n)))
  assert.equal(await node.get(`k/${count - 1}`), count - 1)

  const seen: unknown[] = []
  const error: SkiffError = await (async () => {
    for await (const event of slow) seen.push(event.type === 'put' && event.value)
    throw new Error('the slow watcher was not ended')
  })().catch((reason) => reason)
  skiff('SKIFF_SLOW_WATCHER', 'not-applied', /fromRevision: \d+/)(error)
  assert.ok(seen.length > 0 && seen.length < count, `${seen.length} events before the end`)
  assert.equal((await slow.next()).done, true)

  const resumed = node.watch<number>('k/', { fromRevision: error.revision ?? 0 })
  for (const event of await take(resumed, count - seen.length)) {
    seen.push(event.type === 'put' && event.value)
  }
  assert.deepEqual(
    seen,
    Array.from({ length: count }, (_, n) => n),
  )
})

test('a slow watcher takes nothing from a quick one beside it', async (t) => {
  const cluster = await openCluster(t, { watcherBytesMax: 20_000 })
  const slow = await watching(cluster.watch('k/'))
  const quick = await watching(cluster.watch<number>('k/'))
  const taken: unknown[] = []
  const taking = (async () => {
    for await (const event of quick) {
      taken.push(event.type === 'put' && event.value)
      if (taken.length === 3_000) return
    }
  })()
  for (let n = 0; n < 3_000; n += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, m) => cluster.put(`k/${n + m}`, n + m)))
  }
  await taking
  assert.deepEqual(
    taken,
    Array.from({ length: 3_000 }, (_, n) => n),
  )
  await assert.rejects(take(slow, 3_000), skiff('SKIFF_SLOW_WATCHER', 'not-applied'))
})

test('a watcher that reads the past is as slow as it likes', async (t) => {
  const cluster = await openCluster(t, { watcherBytesMax: 5_000 })
  await Promise.all(Array.from({ length: 1_000 }, (_, n) => cluster.put(`k/${n}`, n)))
  await cluster.put('k/last', 1_000)
  const watcher = cluster.watch('k/', { fromRevision: 1 })
  const events = await take(watcher, 1_001)
  assert.equal(events.at(-1)?.revision, 1_001)
})

test('close, break and the signal end a watch; then it gives nothing more', async (t) => {
  const cluster = await openCluster(t)
  const controller = new AbortController()
  const closed = await watching(cluster.watch(''))
  const broken = await watching(cluster.watch(''))
  const aborted = await watching(cluster.watch('', { signal: controller.signal }))
  const pending = closed.next()
  await closed.close()
  assert.deepEqual(await pending, { done: true, value: undefined })

  await cluster.put('a', 1)
  for await (const event of broken) {
    assert.equal(event.key, 'a')
    break
  }
  const reason = new Error('enough')
  controller.abort(reason)
  await assert.rejects(aborted.next(), reason)
  await cluster.put('a', 2)
  for (const watcher of [closed, broken, aborted]) assert.equal((await watcher.next()).done, true)
  assert.throws(() => cluster.watch('', { signal: AbortSignal.abort(reason) }), reason)
})

test('await using closes a watcher, which makes room under watchersMax', async (t) => {
  const cluster = await openCluster(t, { watchersMax: 1 })
  {
    await using watcher = cluster.watch('')
    await watcher.ready
    assert.throws(() => cluster.watch(''), skiff('SKIFF_OVERLOADED', 'not-applied'))
  }
  await using another = cluster.watch('')
  await another.ready
})

test('several takers of one watcher share its events in order', async (t) => {
  const cluster = await openCluster(t)
  const watcher = await watching(cluster.watch<number>(''))
  const takers = [watcher.next(), watcher.next(), watcher.next()]
  await Promise.all([cluster.put('a', 1), cluster.put('b', 2), cluster.put('c', 3)])
  const keys = (await Promise.all(takers)).map(({ value }) => value?.key)
  assert.deepEqual(keys, ['a', 'b', 'c'])
})

test('the end of its node ends a watch with SKIFF_CLOSED', async (t) => {
  const cluster = await openCluster(t)
  const watcher = await watching(nodeAt(cluster, 0).watch(''))
  const pending = watcher.next()
  await Promise.all([
    assert.rejects(pending, skiff('SKIFF_CLOSED', 'not-applied')),
    cluster.close(),
  ])
})
