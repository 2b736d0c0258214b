/** A restore that is killed at every step that changes a name or waits for the disk. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { backup, checkBackup, createCluster, restore } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { openCluster, skiff } from '../support/cluster.ts'
import { canTrace } from '../support/strace.ts'

const entrance = join(import.meta.dirname, '../../src/command/skiff.js')
const steps = 'fsync,fdatasync,rename,mkdir,link'
/** More than a restore takes. */
const stepsMax = 200

/** Runs a restore that dies at the beginning of its nth step. False: it came to its end before. */
function killedAt(step: number, file: string, dir: string): boolean {
  const inject = `inject=${steps}:signal=KILL:when=${step}`
  const words = ['-f', '-o', '/dev/null', '-e', `trace=${steps}`, '-e', inject]
  const run = [...words, process.execPath, entrance, 'restore', file, dir]
  const { status, signal, stderr } = spawnSync('strace', run, { encoding: 'utf8' })
  if (status === 0) return false
  assert.ok(signal === 'SIGKILL' || status === 137, `${status} ${signal} ${stderr}`)
  return true
}

test('a restore that is killed at any step leaves a whole directory, or one that is refused and can be restored again', {
  skip: !canTrace() && 'strace is not here, or not permitted',
}, async (t) => {
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t)
  for (let n = 0; n < 10; n++) await cluster.put(`key/${n}`, n)
  const file = join(folder, 'one.skiff')
  const { keys, revision } = await cluster.backup(file)
  let whole = 0
  let step = 1
  for (; step <= stepsMax; step++) {
    const dir = join(folder, `new-${step}`)
    if (!killedAt(step, file, dir)) break
    const found = existsSync(dir) ? readdirSync(dir) : []
    if (found.includes('node-1')) {
      whole++
      assert.deepEqual(found, ['node-1'])
    } else {
      if (found.length > 0)
        await assert.rejects(
          createCluster({ dir }),
          skiff('SKIFF_CONFIG', 'not-applied', /restore/),
        )
      await restore(file, { dir, revisionBump: 1_000_000_000 })
    }
    const again = join(folder, `${step}.skiff`)
    const held = await backup(dir, again)
    assert.deepEqual([held.keys, held.revision], [keys, revision + 1_000_000_000])
    rmSync(dir, { recursive: true })
  }
  assert.ok(step > 8 && step < stepsMax, `${step} steps`)
  assert.ok(whole >= 1, 'the last steps come after the name is given')
  assert.equal((await checkBackup(file)).keys, keys)
})
