/** What skiff-rs could do with keys and values, on one, two and three nodes, asked of every node. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Cluster, createCluster, type Node } from '../../src/index.ts'
import { quick } from '../support/cluster.ts'

for (const nodes of [1, 2, 3]) {
  describe(`with ${nodes} node${nodes > 1 ? 's' : ''}`, () => valueTests(nodes))
}

function valueTests(nodes: number): void {
  let cluster: Cluster
  before(async () => {
    cluster = await createCluster({ ...quick, nodes })
  })
  after(() => cluster.close())

  /** Every pair of a writer and a reader. */
  async function eachPair(check: (writer: Node, reader: Node, name: string) => Promise<void>) {
    for (const [n, writer] of cluster.nodes.entries()) {
      for (const [m, reader] of cluster.nodes.entries()) await check(writer, reader, `${n}-${m}`)
    }
  }

  test('get of nothing is undefined', async () => {
    for (const node of cluster.nodes) {
      assert.equal(await node.get('nothing'), undefined)
      assert.equal(await node.entry('nothing'), undefined)
    }
  })

  test('insert: what was put through one node is read from every other at once', () =>
    eachPair(async (writer, reader, name) => {
      await writer.put(`insert/${name}`, name)
      assert.equal(await reader.get(`insert/${name}`), name)
    }))

  test('insert over a value replaces it', () =>
    eachPair(async (writer, reader) => {
      await writer.put('replaced', 'old')
      await reader.put('replaced', 'new')
      assert.equal(await writer.get('replaced'), 'new')
    }))

  test('remove says whether there was something, and then there is nothing', () =>
    eachPair(async (writer, reader, name) => {
      await writer.put(`remove/${name}`, 1)
      assert.equal(await reader.delete(`remove/${name}`), true)
      assert.equal(await writer.get(`remove/${name}`), undefined)
      assert.equal(await reader.delete(`remove/${name}`), false)
    }))

  test('a namespace disappears with its last key', () =>
    eachPair(async (writer, reader) => {
      await writer.put('space/one', 1)
      await writer.put('space/two', 2)
      assert.ok((await reader.prefixes()).includes('space/'))
      await reader.delete('space/one')
      assert.ok((await writer.prefixes()).includes('space/'))
      await writer.delete('space/two')
      assert.ok(!(await reader.prefixes()).includes('space/'))
    }))

  test('objects are values: they come back as they were', () =>
    eachPair(async (writer, reader) => {
      const value = {
        name: 'Ada',
        born: new Date('1815-12-10T00:00:00Z'),
        bytes: new Uint8Array([1, 2, 3]),
        tags: new Set(['a', 'b']),
        deep: [{ of: [null, true, 1.5, -0, 12345678901234567890n, 'ü😀'] }],
      }
      await writer.put('object', value)
      assert.deepStrictEqual(await reader.get('object'), value)
    }))

  test('null, false, 0 and the empty string are values, not misses', async () => {
    for (const value of [null, false, 0, '']) {
      await cluster.put('falsy', value)
      for (const node of cluster.nodes) assert.equal(await node.get('falsy'), value)
    }
  })

  test('prefixes: the namespaces that hold a key directly, sorted', () =>
    eachPair(async (writer, reader) => {
      const keys = ['p/z', 'p/a/b/c', 'p/a/d', 'q']
      for (const key of keys) await writer.put(key, key)
      const found = (await reader.prefixes()).filter((name) => name === '' || name.startsWith('p/'))
      assert.deepEqual(found, ['', 'p/', 'p/a/', 'p/a/b/'])
      for (const key of keys) await writer.delete(key)
    }))

  test('listing: the keys below a prefix, in order of their UTF-8 bytes; none lists all', () =>
    eachPair(async (writer, reader) => {
      // In UTF-16 the emoji (D83D …) would come before U+FF5E.
      const keys = ['list/a', 'list/b/c', 'list/b0', 'list/é', 'list/～', 'list/😀']
      for (const key of keys.toReversed()) await writer.put(key, 1)
      assert.deepEqual(await reader.keys('list/'), keys)
      assert.deepEqual(await reader.keys('list/b'), ['list/b/c', 'list/b0'])
      assert.deepEqual(await reader.keys('list/😀'), ['list/😀'])
      assert.deepEqual(await reader.keys('lost'), [])
      const all = await reader.keys()
      assert.deepEqual(
        all,
        all.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
      assert.ok(keys.every((key) => all.includes(key)))
    }))

  test('keys a/b/x and a_b/x do not collide', () =>
    eachPair(async (writer, reader) => {
      await writer.put('a/b/x', 'slashes')
      await writer.put('a_b/x', 'underscore')
      assert.equal(await reader.get('a/b/x'), 'slashes')
      assert.equal(await reader.get('a_b/x'), 'underscore')
      await writer.delete('a/b/x')
      assert.equal(await reader.get('a_b/x'), 'underscore')
      await writer.delete('a_b/x')
    }))

  test('concurrent inserts from all nodes are all there, each once', async () => {
    const names = Array.from({ length: 300 }, (_, n) => `many/${String(n).padStart(3, '0')}`)
    const revisions = await Promise.all(
      names.map(async (name, n) => {
        const node = cluster.nodes[n % cluster.nodes.length]
        return (await node?.put(name, n))?.revision
      }),
    )
    assert.equal(new Set(revisions).size, names.length)
    for (const node of cluster.nodes) assert.deepEqual(await node.keys('many/'), names)
  })

  test('concurrent inserts of one key leave one of their values, and count every one', async () => {
    const before = (await cluster.entry('contended'))?.version ?? 0
    const puts = Array.from({ length: 90 }, async (_, n) => {
      const node = cluster.nodes[n % cluster.nodes.length]
      return { n, revision: (await node?.put('contended', n))?.revision ?? 0 }
    })
    const results = await Promise.all(puts)
    const last = results.reduce((a, b) => (a.revision > b.revision ? a : b))
    for (const node of cluster.nodes) {
      const entry = await node.entry('contended')
      assert.equal(entry?.value, last.n)
      assert.equal(entry?.version, before + 90)
      assert.equal(entry?.modRevision, last.revision)
    }
  })

  test('an entry tells when its key was made and changed, and how often', async () => {
    await cluster.delete('history')
    const { revision: first } = await cluster.put('history', 'one')
    const { revision: second } = await cluster.put('history', 'two')
    const expected = { key: 'history', createRevision: first }
    for (const node of cluster.nodes) {
      const entry = await node.entry('history')
      assert.deepEqual(entry, { ...expected, value: 'two', modRevision: second, version: 2 })
    }
    await cluster.delete('history')
    const { revision: third } = await cluster.put('history', 'again')
    const entry = await cluster.entry('history')
    assert.deepEqual(entry, {
      key: 'history',
      value: 'again',
      createRevision: third,
      modRevision: third,
      version: 1,
    })
    assert.equal(third, second + 2, 'the delete has a revision of its own')
  })

  test('a delete of nothing makes no revision', async () => {
    const { revision } = await cluster.put('counted', 1)
    assert.equal(await cluster.delete('never there'), false)
    assert.equal((await cluster.put('counted', 2)).revision, revision + 1)
  })

  test('writes of one turn are applied in the order of the calls', async () => {
    const [first, second, gone, third] = await Promise.all([
      cluster.put('ordered', 1),
      cluster.put('ordered', 2),
      cluster.delete('ordered'),
      cluster.put('ordered', 3),
    ])
    assert.equal(gone, true)
    assert.deepEqual([second.revision, third.revision], [first.revision + 1, first.revision + 3])
    const entry = await cluster.entry('ordered')
    assert.deepEqual([entry?.value, entry?.version], [3, 1])
  })

  test('a value of 1 MiB and a key of 1,024 bytes work', async () => {
    // Four bytes tell msgpack how long it is, one of which type.
    const value = Buffer.alloc(2 ** 20 - 5, 7)
    const key = 'ü'.repeat(512)
    await cluster.put(key, value)
    for (const node of cluster.nodes) assert.deepEqual(await node.get(key), value)
    await cluster.delete(key)
  })
}
