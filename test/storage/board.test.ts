import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { BoardReader, BoardWriter, createBoard } from '../../src/storage/board.ts'
import { defer } from '../support/cleanup.ts'

test('a board reads as it was written', () => {
  const memory = createBoard()
  const reader = new BoardReader(memory)
  const numbers = {
    term: 1,
    commitIndex: 2,
    appliedIndex: 3,
    lastIndex: 2 ** 53 - 1,
    snapshotIndex: 0,
    firstIndex: 1,
    revision: 5,
    repairs: 6,
    stateGeneration: 0,
    stateBad: 0,
  }
  assert.equal(reader.leadsAlone, false)
  new BoardWriter(memory).write({ ...numbers, leadsAlone: 1 })
  assert.deepEqual(reader.read(), { ...numbers, leadsAlone: 1 })
  assert.equal(reader.leadsAlone, true)
})

test('a state counts as bad until this thread reads the one that took its place', () => {
  const memory = createBoard()
  const reader = new BoardReader(memory, 3)
  const writer = new BoardWriter(memory)
  const show = (stateGeneration: number, stateBad: number) =>
    writer.write({ ...reader.read(), stateGeneration, stateBad, leadsAlone: 1 })
  show(3, 0)
  assert.deepEqual([reader.isStateBad, reader.leadsAlone], [false, true])
  show(4, 1)
  assert.deepEqual([reader.isStateBad, reader.leadsAlone], [true, false])
  // Known here before the message that says where to read from now on.
  show(4, 0)
  assert.deepEqual([reader.isStateBad, reader.leadsAlone], [true, false])
  reader.reads(4)
  assert.deepEqual([reader.isStateBad, reader.leadsAlone], [false, true])
})

test('the numbers of a reading belong to one moment, however fast another thread writes', async (t) => {
  const memory = createBoard()
  const board = new URL('../../src/storage/board.js', import.meta.url).href
  const program = `
    const { workerData } = require('node:worker_threads')
    import(${JSON.stringify(board)}).then(({ BoardWriter }) => {
      const writer = new BoardWriter(workerData)
      for (let n = 1; n <= 300_000; n++) {
        writer.write({ term: n, commitIndex: n, appliedIndex: n, lastIndex: n, snapshotIndex: n, firstIndex: n, revision: n, repairs: n, stateGeneration: n, stateBad: n, leadsAlone: n })
      }
    })`
  const worker = new Worker(program, { eval: true, workerData: memory })
  defer(t, () => worker.terminate())
  const reader = new BoardReader(memory)
  let last = 0
  while (last < 300_000) {
    const numbers = Object.values(reader.read())
    assert.equal(new Set(numbers).size, 1, `torn: ${numbers}`)
    assert.ok((numbers[0] ?? 0) >= last)
    last = numbers[0] ?? 0
    // Lets the worker's death be heard.
    if (last === 0) await new Promise((resolve) => setImmediate(resolve))
  }
})
