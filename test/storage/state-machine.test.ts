import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { unpackValue } from '../../src/codec/value.ts'
import { configurationOf, encodeConfiguration } from '../../src/raft/membership.ts'
import type { Entry, Member } from '../../src/raft/types.ts'
import { keyNumber, openStateEnvironment } from '../../src/storage/environment.ts'
import { readKeyRecord, readRevisionRecord } from '../../src/storage/layout.ts'
import { isTrue } from '../../src/storage/scrub.ts'
import { type AppliedBatch, StateMachine } from '../../src/storage/state-machine.ts'
import { batchEntry, type Change, noop } from '../support/batches.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'

async function openState(t: TestContext, path?: string) {
  const at = path ?? join(await temporaryDir(t), 'state')
  const state = new StateMachine(openStateEnvironment(at))
  defer(t, () => state.close())
  return { state, path: at }
}

function applyOne(state: StateMachine, entry: Entry): AppliedBatch {
  const [batch] = state.apply([entry], null)
  assert.ok(batch !== undefined)
  return batch
}

function revisionsOf({ revisions }: AppliedBatch): number[] | null {
  return revisions === null ? null : [...revisions]
}

interface Stored {
  readonly value: unknown
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
}

function contentOf(state: StateMachine): Map<string, Stored> {
  const content = new Map<string, Stored>()
  for (const { key, value } of state.tables.kv.getRange({ start: Buffer.from([0]) })) {
    const record = readKeyRecord(value)
    content.set(key.toString(), { ...record, value: unpackValue(record.value) })
  }
  return content
}

function namespacesOf(state: StateMachine): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { key, value } of state.tables.prefixes.getRange({ start: Buffer.from([0]) })) {
    found[key.toString().slice(1)] = value.readDoubleBE(0)
  }
  return found
}

test('puts and deletes get revisions 1, 2, 3 …, deletes of nothing get 0', async (t) => {
  const { state } = await openState(t)
  const changes: Change[] = [
    ['put', 'a', 1],
    ['delete', 'b'],
    ['put', 'b', 2],
    ['delete', 'a'],
    ['delete', 'a'],
  ]
  assert.deepEqual(revisionsOf(applyOne(state, batchEntry(1, changes))), [1, 0, 2, 3, 0])
  assert.deepEqual([state.revision, state.appliedIndex], [3, 1])
  assert.deepEqual([...contentOf(state).keys()], ['b'])
})

test('one key several times in a batch ends as its last change, and counts them all', async (t) => {
  const { state } = await openState(t)
  applyOne(state, batchEntry(1, [['put', 'k', 'before']]))
  const changes: Change[] = [
    ['put', 'k', 1],
    ['delete', 'k'],
    ['put', 'k', 2],
    ['put', 'k', 3],
  ]
  applyOne(state, batchEntry(2, changes))
  assert.deepEqual(contentOf(state).get('k'), {
    value: 3,
    createRevision: 4,
    modRevision: 5,
    version: 2,
  })
  assert.deepEqual(namespacesOf(state), { '': 1 })
})

test('a namespace counts its keys and disappears with the last', async (t) => {
  const { state } = await openState(t)
  const puts: Change[] = ['a', 'n/a', 'n/b', 'n/m/c', '/', 'ü/x'].map((key) => ['put', key, 1])
  applyOne(state, batchEntry(1, puts))
  assert.deepEqual(namespacesOf(state), { '': 1, 'n/': 2, 'n/m/': 1, '/': 1, 'ü/': 1 })
  const deletes: Change[] = ['a', 'n/a', 'n/m/c', '/'].map((key) => ['delete', key])
  applyOne(state, batchEntry(2, [...deletes, ['put', 'n/b', 2]]))
  assert.deepEqual(namespacesOf(state), { 'n/': 1, 'ü/': 1 })
})

test('exactly once: a repeated batch changes nothing, an old incarnation neither', async (t) => {
  const { state } = await openState(t)
  const put: Change[] = [['put', 'k', 1]]
  assert.deepEqual(revisionsOf(applyOne(state, batchEntry(1, put, { sequence: 1 }))), [1])
  const repeated = applyOne(state, batchEntry(2, put, { sequence: 1 }))
  assert.deepEqual([repeated.revisions, repeated.gap], [null, false])

  const restarted = { incarnation: 2, sequence: 1 }
  assert.deepEqual(revisionsOf(applyOne(state, batchEntry(3, put, restarted))), [2])
  const late = applyOne(state, batchEntry(4, put, { incarnation: 1, sequence: 2 }))
  assert.deepEqual([late.revisions, late.gap], [null, false])
  assert.equal(contentOf(state).get('k')?.version, 2)
  assert.deepEqual([state.revision, state.appliedIndex], [2, 4])
})

test('exactly once: a batch behind a lost one is a gap, until the lost one came', async (t) => {
  const { state } = await openState(t)
  const put = (value: number): Change[] => [['put', 'k', value]]
  applyOne(state, batchEntry(1, put(1), { sequence: 1 }))
  const early = applyOne(state, batchEntry(2, put(3), { sequence: 3 }))
  assert.deepEqual([early.revisions, early.gap], [null, true])
  applyOne(state, batchEntry(3, put(2), { sequence: 2 }))
  applyOne(state, batchEntry(4, put(3), { sequence: 3 }))
  assert.deepEqual(contentOf(state).get('k')?.value, 3)
  const first = applyOne(state, batchEntry(5, put(9), { incarnation: 7, sequence: 2 }))
  assert.equal(first.gap, true, 'a new incarnation begins with 1')
})

test('the sessions of different nodes are apart', async (t) => {
  const { state } = await openState(t)
  for (const [n, node] of ['00000000000000aa', '00000000000000bb'].entries()) {
    const batch = applyOne(state, batchEntry(n + 1, [['put', 'k', n]], { node, sequence: 1 }))
    assert.deepEqual(revisionsOf(batch), [n + 1])
  }
})

test('position, sessions and content survive, together', async (t) => {
  const { state, path } = await openState(t)
  state.apply([noop(1), batchEntry(2, [['put', 'a/k', 1]], { sequence: 1 })], null)
  await state.close()
  const { state: again } = await openState(t, path)
  assert.deepEqual([again.appliedIndex, again.revision], [2, 1])
  assert.equal(applyOne(again, batchEntry(3, [['put', 'k', 1]], { sequence: 1 })).revisions, null)
  assert.deepEqual(namespacesOf(again), { 'a/': 1 })
})

test('a listener that throws undoes the whole transaction', async (t) => {
  const { state } = await openState(t)
  applyOne(state, batchEntry(1, [['put', 'k', 1]]))
  const listener = {
    wantsPrevious: false,
    changed: (revision: number) => {
      if (revision === 3) throw new Error('no')
    },
  }
  const entries = [2, 3].map((n) => batchEntry(n, [['put', 'k', n]]))
  assert.throws(() => state.apply(entries, listener), /no/)
  assert.deepEqual([state.appliedIndex, state.revision], [1, 1])
  assert.equal(contentOf(state).get('k')?.value, 1)
  assert.equal(state.apply(entries, null).length, 2)
})

test('entries are applied in the order of the log or not at all', async (t) => {
  const { state } = await openState(t)
  assert.throws(() => state.apply([noop(2)], null), /applying 2 after 0/)
  assert.equal(state.appliedIndex, 0)
})

test('the revisions tell which entry made them, and which of its commands were idle', async (t) => {
  const { state } = await openState(t)
  applyOne(
    state,
    batchEntry(1, [
      ['put', 'a', 1],
      ['put', 'b', 1],
    ]),
  )
  applyOne(state, batchEntry(2, [['delete', 'x']]))
  applyOne(state, batchEntry(3, [...idle(20), ['put', 'c', 1]]))
  const rows = [...state.tables.revisions.getRange({ start: Buffer.alloc(8) })].map((row) => ({
    first: keyNumber(row.key),
    ...readRevisionRecord(Buffer.from(row.value)),
  }))
  assert.deepEqual(
    rows.map(({ first, index }) => [first, index]),
    [
      [1, 1],
      [3, 3],
    ],
  )
  const flags = Array.from({ length: 21 }, (_, n) => rows[1]?.isIdle(n))
  assert.deepEqual(flags, [...Array(20).fill(true), false])
})

function idle(count: number): Change[] {
  return Array.from({ length: count }, (_, n) => ['delete', `none${n}`])
}

test('a full batch and large values are applied whole', async (t) => {
  const { state } = await openState(t)
  const many: Change[] = Array.from({ length: 256 }, (_, n) => ['put', `k${n % 200}`, n])
  const revisions = revisionsOf(applyOne(state, batchEntry(1, many)))
  assert.deepEqual(
    revisions,
    many.map((_, n) => n + 1),
  )
  const large: Change[] = Array.from({ length: 3 }, (_, n) => ['put', `l${n}`, 'x'.repeat(300_000)])
  applyOne(state, batchEntry(2, large))
  const content = contentOf(state)
  assert.equal(content.size, 203)
  assert.equal(content.get('k5')?.value, 205)
  assert.equal(content.get('l2')?.value, 'x'.repeat(300_000))
})

test('where revisions are found goes with the log, also where an entry holds one change and many come at once', async (t) => {
  const { state } = await openState(t)
  const atOnce = 200
  for (let round = 0; round < 10; round++) {
    const first = state.appliedIndex + 1
    const entries = Array.from({ length: atOnce }, (_, n) =>
      batchEntry(first + n, [['put', 'k', n]]),
    )
    state.apply(entries, null, first)
  }
  const rows = [...state.tables.revisions.getKeys({ start: Buffer.of(0) })]
  assert.ok(rows.length <= 2 * atOnce, `${rows.length} rows`)
})

// ── against a model ─────────────────────────────────────────────────────────────────────────────

const keyOf = fc.constantFrom('a', 'b', 'n/a', 'n/b', 'n/m/x', 'ü', '😀', '～')
const changeOf: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.constant('put' as const), keyOf, fc.integer()),
  fc.tuple(fc.constant('delete' as const), keyOf),
)
/** Which sequence a batch has, seen from the one that is next. */
const batchOf = fc.record({
  changes: fc.array(changeOf, { minLength: 1, maxLength: 8 }),
  offset: fc.constantFrom(0, 0, 0, -1, 1),
  restarts: fc.boolean(),
})

class Model {
  readonly content = new Map<string, Stored>()
  revision = 0

  apply(changes: readonly Change[]): number[] {
    return changes.map(([type, key, value]) => {
      const known = this.content.get(key)
      if (type === 'delete' && known === undefined) return 0
      this.revision++
      if (type === 'delete') this.content.delete(key)
      else this.content.set(key, this.#next(known, value))
      return this.revision
    })
  }

  #next(known: Stored | undefined, value: unknown): Stored {
    const createRevision = known?.createRevision ?? this.revision
    const version = (known?.version ?? 0) + 1
    return { value, createRevision, modRevision: this.revision, version }
  }

  get namespaces(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const key of this.content.keys()) {
      const namespace = key.slice(0, key.lastIndexOf('/') + 1)
      counts[namespace] = (counts[namespace] ?? 0) + 1
    }
    return counts
  }
}

test('whatever the batches, their repetitions, gaps and restarts: it equals a plain Map', async (t) => {
  const dir = await temporaryDir(t)
  let run = 0
  const batches = fc.array(batchOf, { maxLength: 15 })
  const property = fc.asyncProperty(batches, fc.integer({ min: 1, max: 5 }), async (list, size) => {
    run++
    const environment = openStateEnvironment(join(dir, `state-${run}`))
    const state = new StateMachine(environment)
    try {
      const model = new Model()
      const expected: (number[] | null)[] = []
      let incarnation = 1
      let next = 1
      const entries = list.map(({ changes, offset, restarts }, n) => {
        if (restarts) {
          incarnation++
          next = 1
        }
        const sequence = Math.max(1, next + offset)
        const applies = sequence === next
        expected.push(applies ? model.apply(changes) : null)
        if (applies) next++
        return batchEntry(n + 1, changes, { incarnation, sequence })
      })
      const results: (number[] | null)[] = []
      for (let at = 0; at < entries.length; at += size) {
        results.push(...state.apply(entries.slice(at, at + size), null).map(revisionsOf))
      }
      assert.deepEqual(results, expected)
      assert.deepEqual(contentOf(state), new Map(sorted(model.content)))
      assert.deepEqual(namespacesOf(state), model.namespaces)
      assert.equal(state.revision, model.revision)
      assert.ok(isTrue(environment), 'the hash is that of the rows')
    } finally {
      await state.close()
    }
  })
  await fc.assert(property, { numRuns: 60 })
})

function sorted(content: ReadonlyMap<string, Stored>): [string, Stored][] {
  return [...content].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

test('a configuration that is joint is that after a restart, too, and in a copy', async (t) => {
  const { state, path } = await openState(t)
  const [before, after] = ['a', 'b'].map((id): Member => ({ id, address: 'h:1', role: 'voter' }))
  assert.ok(before !== undefined && after !== undefined)
  const joint = { ...configurationOf([after]), outgoing: [before] }
  state.apply([{ ...noop(1), type: 'membership', bytes: encodeConfiguration(joint) }], null)
  assert.deepEqual(state.membership, { index: 1, ...joint })
  await state.close()
  const { state: again } = await openState(t, path)
  assert.deepEqual(again.membership, { index: 1, ...joint })
})

test('a state in the place of another has the members of its own', async (t) => {
  const { state } = await openState(t)
  const { state: other, path } = await openState(t)
  const alone = configurationOf([{ id: 'a', address: 'h:1', role: 'voter' }])
  other.apply([{ ...noop(1), type: 'membership', bytes: encodeConfiguration(alone) }], null)
  await other.close()
  await state.replace(openStateEnvironment(path)).close()
  assert.deepEqual(state.membership, { index: 1, ...alone })
})
