import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { canTrace } from '../support/strace.ts'
import { runCampaign } from './campaign.ts'

const seed = 1
const timeout = 120_000

test('after a power cut a node opens, with all that was acknowledged and nothing that was not proposed', {
  timeout,
}, async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const { failure, images, entries, whole, counts } = await runCampaign({ images: 200, seed })
  assert.equal(failure?.reason, undefined)
  assert.equal(images, 200)
  assert.ok(entries > 1_000 && whole > 0, `${entries} entries, ${whole} whole clusters`)
  for (const fate of ['all', 'safe', 'prefix', 'subset', 'torn'])
    assert.equal(counts.get(`cluster, ${fate}`), 20)
  assert.ok((counts.get('state clean') ?? 0) > 0, 'no state was closed cleanly')
})

test('a disk that says it has synced, and has not, is found out, and the image is kept', {
  timeout,
}, async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const { failure, failures } = await runCampaign({ images: 60, seed, ignoresSyncs: true })
  assert.ok(failure !== null)
  try {
    const lost = [...failures.keys()].filter((reason) => /acknowledged|left it/.test(reason))
    assert.ok(lost.length > 0, 'nothing that was acknowledged was lost')
    assert.match(failure.reason, /cut at line \d+/)
    assert.ok(existsSync(failure.image))
  } finally {
    rmSync(dirname(failure.image), { recursive: true, force: true })
  }
})
