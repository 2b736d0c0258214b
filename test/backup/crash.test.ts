/** A restore that is killed at every step that changes a name or waits for the disk. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { backup, createCluster, restore } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { openCluster, skiff } from '../support/cluster.ts'
import { canTrace } from '../support/strace.ts'

const entrance = join(import.meta.dirname, '../../src/command/skiff.js')
const steps = ['mkdir', 'rename', 'fdatasync', 'fsync']
/** More of one kind than a restore takes. */
const stepsMax = 50
const refused = skiff('SKIFF_CONFIG', 'not-applied', /restore/)

/** Runs a restore that dies at the beginning of its nth step of this kind. False: it came to its end before. */
function killedAt(kind: string, n: number, file: string, dir: string): boolean {
  const inject = `inject=${kind}:signal=KILL:when=${n}`
  const words = ['-f', '-o', '/dev/null', '-e', `trace=${kind}`, '-e', inject]
  const run = [...words, process.execPath, entrance, 'restore', file, dir]
  const { status, signal, stderr } = spawnSync('strace', run, { encoding: 'utf8' })
  if (status === 0) return false
  assert.ok(signal === 'SIGKILL' || status === 137, `${status} ${signal} ${stderr}`)
  return true
}

test('a restore that is killed at any step leaves a whole directory, or one that is refused and can be restored again', async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const folder = await temporaryDir(t)
  const cluster = await openCluster(t)
  for (let n = 0; n < 10; n++) await cluster.put(`key/${n}`, n)
  const file = join(folder, 'one.skiff')
  const { keys, revision } = await cluster.backup(file)
  const isWhole = async (dir: string): Promise<void> => {
    const held = await backup(dir, `${dir}.skiff`)
    assert.deepEqual([held.keys, held.revision], [keys, revision + 1_000_000_000])
  }
  let [killed, whole] = [0, 0]
  for (const kind of steps) {
    for (let n = 1; n < stepsMax; n++) {
      const dir = join(folder, `${kind}-${n}`)
      if (!killedAt(kind, n, file, dir)) break
      killed++
      const found = existsSync(dir) ? readdirSync(dir) : []
      if (found.includes('node-1')) {
        whole++
        assert.deepEqual(found, ['node-1'])
        await isWhole(dir)
        continue
      }
      if (found.length > 0) await assert.rejects(createCluster({ dir }), refused)
      await restore(file, { dir })
      assert.deepEqual(readdirSync(dir), ['node-1'])
    }
  }
  assert.ok(killed > 15 && killed < stepsMax, `${killed} steps`)
  assert.ok(whole > 0, 'the last step comes after the name is given')
  await isWhole(join(folder, 'fsync-1'))
})
