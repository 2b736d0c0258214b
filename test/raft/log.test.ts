/** The log: a tail in memory before a disk, against a plain array. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RaftLog } from '../../src/raft/log.ts'
import type { Entry } from '../../src/raft/types.ts'
import { SimulatedDisk } from './disk.ts'
import { batch } from './harness.ts'

/** A log whose entries of these terms are on disk already. */
function open(...terms: number[]): { disk: SimulatedDisk; log: RaftLog } {
  const disk = new SimulatedDisk()
  const entries = terms.map((term, at) => batch(at + 1, term))
  disk.write({ hardState: null, truncateFrom: null, entries })
  return { disk, log: new RaftLog(disk) }
}

function write(disk: SimulatedDisk, log: RaftLog): void {
  disk.write({ hardState: null, ...log.takeWrite() })
  log.persisted()
}

const indexes = (entries: readonly Entry[]) => entries.map(({ index }) => index)

describe('truncating', () => {
  test('what was never handed over leaves no trace on the disk', () => {
    const { log } = open(1, 1)
    log.append(batch(3, 1))
    log.append(batch(4, 1))
    log.truncate(3)
    log.append(batch(3, 2))
    assert.deepEqual(log.takeWrite(), { truncateFrom: null, entries: [batch(3, 2)] })
  })

  test('what is on disk is removed there, from the lowest place asked for', () => {
    const { log } = open(1, 1, 1, 1)
    log.truncate(4)
    log.append(batch(4, 2))
    log.truncate(3)
    log.append(batch(3, 3))
    assert.deepEqual([log.durableIndex, log.lastTerm], [2, 3])
    assert.deepEqual(log.takeWrite(), { truncateFrom: 3, entries: [batch(3, 3)] })
    log.persisted()
    assert.equal(log.durableIndex, 3)
  })

  test('without anything to append, the removal itself is written', () => {
    const { disk, log } = open(1, 1)
    log.truncate(1)
    assert.equal(log.hasWrite, true)
    write(disk, log)
    assert.deepEqual([disk.lastIndex, log.lastIndex, log.lastTerm, log.hasWrite], [0, 0, 0, false])
  })
})

describe('reading', () => {
  test('a slice ends where disk and memory meet, and the next goes on there', () => {
    const { log } = open(1, 1)
    log.append(batch(3, 1))
    assert.deepEqual(indexes(log.slice(1, 9, 100)), [1, 2])
    assert.deepEqual(indexes(log.slice(3, 9, 100)), [3])
  })

  test('limits of entries and bytes hold on both sides, but one entry always fits', () => {
    const { log } = open(1, 1, 1)
    for (const index of [4, 5, 6]) log.append(batch(index, 1))
    for (const from of [1, 4]) {
      assert.equal(log.slice(from, 2, 100).length, 2)
      assert.equal(log.slice(from, 9, 2).length, 2)
      assert.equal(log.slice(from, 9, 0).length, 1)
    }
    assert.throws(() => log.slice(7, 1, 1), /beyond 6/)
  })

  test('conflict hints: the last entry of at most a term', () => {
    const { log } = open(1, 1, 4, 4)
    log.append(batch(5, 6))
    assert.deepEqual(log.lastAtMost(9, 9), { index: 5, term: 6 })
    assert.deepEqual(log.lastAtMost(5, 5), { index: 4, term: 4 })
    assert.deepEqual(log.lastAtMost(4, 3), { index: 2, term: 1 })
    assert.deepEqual(log.lastAtMost(4, 0), { index: 0, term: 0 })
  })

  test('gaps and falling terms end the server', () => {
    const { log } = open(1, 2)
    assert.throws(() => log.append(batch(4, 2)), /gap: 4 after 2/)
    assert.throws(() => log.append(batch(3, 1)), /term 1 after 2/)
  })
})

describe('letting go of memory', () => {
  test('only of entries that are durable, and only once the tail is large', () => {
    const { disk, log } = open()
    const large = 3 * 2 ** 20
    for (let index = 1; index <= 8; index++) log.append(batch(index, 1, large))
    assert.equal(log.slice(1, 99, Number.MAX_SAFE_INTEGER).length, 8, 'nothing is durable yet')
    write(disk, log)
    assert.deepEqual(indexes(log.slice(1, 99, Number.MAX_SAFE_INTEGER)), [1, 2, 3], 'from the disk')
    assert.deepEqual(indexes(log.slice(4, 99, Number.MAX_SAFE_INTEGER)), [4, 5, 6, 7, 8])
  })
})

test('whatever is appended, truncated and written, the log is the array', () => {
  const step = fc.tuple(fc.constantFrom('append', 'truncate', 'write'), fc.nat(9))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { disk, log } = open()
      let model: Entry[] = []
      let term = 1
      let durable = 0
      for (const [what, amount] of steps) {
        if (what === 'append') {
          const entry = batch(model.length + 1, term, 2 ** 20)
          log.append(entry)
          model.push(entry)
        } else if (what === 'truncate' && amount < model.length) {
          const from = model.length - amount
          log.truncate(from)
          model = model.slice(0, from - 1)
          durable = Math.min(durable, from - 1)
          term++
        } else if (what === 'write') {
          write(disk, log)
          durable = model.length
        }
        check(log, model, durable)
      }
    }),
    { numRuns: 200 },
  )
})

function check(log: RaftLog, model: readonly Entry[], durable: number): void {
  assert.deepEqual([log.lastIndex, log.durableIndex], [model.length, durable])
  assert.equal(log.lastTerm, model.at(-1)?.term ?? 0)
  for (const entry of model) {
    assert.equal(log.term(entry.index), entry.term)
    assert.equal(log.slice(entry.index, 1, 0)[0], entry)
  }
  assert.equal(log.term(model.length + 1), null)
}
