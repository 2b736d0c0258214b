/** Entrance of the program that makes the load (generator.ts). */
import { forEachConcurrently } from '../../src/cli/concurrently.ts'
import { messageOf } from '../../src/errors.ts'
import { answerCalls } from '../child.ts'
import { type Client, openClient } from './client.ts'
import type { Filled, GeneratorCalls } from './generator.ts'
import { measureLoad } from './measure.ts'
import { keyOf, pick, valuesOf } from './operations.ts'
import { measureWatch } from './watch-load.ts'

const fillCallersMax = 1_000
/** Of the values under way at once. */
const fillBytesMax = 32 * 2 ** 20

let opened: Client | null = null
let filled = 0

const calls: GeneratorCalls = {
  open: async (place) => {
    opened = await openClient(place)
  },
  fill,
  filled: () => filled,
  measure: (profile) => measureLoad(client(), profile),
  watch: (profile) => measureWatch(client(), profile),
  close: async () => {
    const closing = opened
    opened = null
    await closing?.close()
  },
}

function client(): Client {
  if (opened === null) throw new Error('not open')
  return opened
}

async function fill(keys: number, valueBytes: number, msMax: number): Promise<Filled> {
  const values = valuesOf(valueBytes)
  const callers = Math.max(1, Math.min(fillCallersMax, Math.floor(fillBytesMax / valueBytes)))
  const endMs = performance.now() + msMax
  filled = 0
  try {
    await forEachConcurrently(indexes(keys, endMs), callers, async (index) => {
      await client().put(keyOf(index), pick(values, index))
      filled++
    })
    return { keys: filled, failure: null }
  } catch (error) {
    return { keys: filled, failure: messageOf(error) }
  }
}

function* indexes(count: number, endMs: number): Generator<number> {
  for (let index = 0; index < count && performance.now() < endMs; index++) yield index
}

// Told to close it has nothing left to do, though a client may have left something open; otherwise whoever started
// it is gone.
answerCalls(calls, () => process.exit(opened === null ? 0 : 1))
