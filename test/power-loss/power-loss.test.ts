import assert from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { canTrace } from '../support/strace.ts'
import { openImages, type Recorded, recordWorkloads } from './campaign.ts'
import { fates } from './image.ts'
import { workloads } from './recording.ts'

const seed = 1
const timeout = 300_000
let recorded: Recorded | null = null
/** A real failure is kept, to be looked at. */
let failed = false

before(async () => {
  if (canTrace()) recorded = await recordWorkloads(seed, 1)
})

after(() => {
  if (recorded !== null && !failed) rmSync(recorded.scratch, { recursive: true, force: true })
})

test('after a power cut a node opens, with all that was acknowledged and nothing that was not proposed', {
  timeout,
}, async (t) => {
  if (recorded === null) return t.skip('strace cannot run here')
  const { failure, images, entries, whole, counts } = await openImages(recorded, 140)
  failed = failure !== null
  assert.equal(failure?.reason, undefined)
  assert.ok(images >= 140 && whole > 0, `${images} images, ${whole} whole clusters`)
  assert.ok(entries > 1_000, `${entries} entries`)
  for (const workload of Object.keys(workloads))
    for (const fate of fates) assert.ok((counts.get(`${workload}, ${fate}`) ?? 0) > 5)
  assert.ok((counts.get('snapshots, by a whole cluster') ?? 0) > 0)
  assert.ok((counts.get('state believed') ?? 0) > 0, 'no state was closed cleanly')
  assert.ok((counts.get('within a snapshot') ?? 0) > 10, 'no snapshot was under way')
})

for (const lie of ['files', 'fdatasync'] as const) {
  test(`a disk that says it has synced, and has not, is found out, and the image is kept: ${lie}`, {
    timeout,
  }, async (t) => {
    if (recorded === null) return t.skip('strace cannot run here')
    const { failure, failures } = await openImages(recorded, 6, lie)
    assert.ok(failures.size > 0)
    assert.match(failure?.reason ?? '', /cut at line \d+/)
    assert.ok(existsSync(failure?.image ?? ''))
  })
}
