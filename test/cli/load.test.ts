import assert from 'node:assert/strict'
import { test } from 'node:test'
import { putFiles } from '../../src/cli/load.ts'
import type { FileValue } from '../../src/cli/walk.ts'
import { type Outcome, SkiffError, type SkiffErrorCode } from '../../src/errors.ts'

const { signal } = new AbortController()

function filesOf(count: number): Map<string, FileValue> {
  const value = (index: number) => ({ bytes: index, modified: '', sha256: '' })
  return new Map(Array.from({ length: count }, (_, index) => [`files/${index}`, value(index)]))
}

/** A store whose first attempt at each key fails. */
function failingOnce(code: SkiffErrorCode, outcome: Outcome) {
  const kept = new Map<string, unknown>()
  const tried = new Set<string>()
  const put = async (key: string, value: unknown) => {
    const again = tried.has(key)
    tried.add(key)
    if (!again) throw new SkiffError(code, outcome, 'planned')
    kept.set(key, value)
    return { revision: kept.size }
  }
  return { kept, put }
}

test('every file is put once, and its acknowledgement counted', async () => {
  const files = filesOf(2_000)
  const kept = new Map<string, unknown>()
  const put = async (key: string, value: unknown) => {
    assert.ok(!kept.has(key), key)
    kept.set(key, value)
    return { revision: kept.size }
  }
  const load = await putFiles({ put }, files, { signal })
  assert.deepEqual(kept, files)
  assert.equal(load.latencies.count, 2_000)
  assert.equal(load.retries.size, 0)
})

test('a put whose outcome is unknown, or that found no leader, is put again and counted', async () => {
  for (const [code, outcome] of [
    ['SKIFF_CRASHED', 'unknown'],
    ['SKIFF_TIMEOUT', 'unknown'],
    ['SKIFF_NO_LEADER', 'not-applied'],
  ] as const) {
    const files = filesOf(10)
    const store = failingOnce(code, outcome)
    const { retries } = await putFiles(store, files, { signal })
    assert.deepEqual(store.kept, files)
    assert.deepEqual([...retries], [[code, 10]])
  }
})

test('a put that is refused for good ends the load with its error', async () => {
  const store = failingOnce('SKIFF_TOO_LARGE', 'not-applied')
  await assert.rejects(putFiles(store, filesOf(10), { signal }), { code: 'SKIFF_TOO_LARGE' })
})

test('what happens after an acknowledgement holds up the end, not the other puts', async () => {
  const order: string[] = []
  const files = filesOf(1_000)
  const put = async (key: string) => {
    if (key === 'files/999') order.push('last put')
    return { revision: 1 }
  }
  let lastPut = () => {}
  const onLast = new Promise<void>((resolve) => {
    lastPut = resolve
  })
  await putFiles({ put }, files, {
    signal,
    onPut: async (done, total) => {
      if (done === total) lastPut()
      if (done !== total / 2) return
      await onLast
      order.push('drill done')
    },
  })
  assert.deepEqual(order, ['last put', 'drill done'])
})

test('an aborted load ends with the reason, and puts nothing more', async () => {
  const abort = new AbortController()
  const reason = new Error('Ctrl-C')
  let puts = 0
  const put = async () => {
    if (++puts === 3) abort.abort(reason)
    return { revision: puts }
  }
  await assert.rejects(putFiles({ put }, filesOf(10_000), { signal: abort.signal }), reason)
  assert.ok(puts < 10_000, `${puts} puts`)
})
