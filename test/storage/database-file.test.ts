import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkDatabaseFile, usedBytes } from '../../src/storage/database-file.ts'
import {
  mapFreeBytes,
  openLogEnvironment,
  openStateEnvironment,
} from '../../src/storage/environment.ts'
import { defer, temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'

test('a file that LMDB would not survive is refused: rubbish, cut short at any page, half a header', async (t) => {
  const dir = await temporaryDir(t)
  checkDatabaseFile(dir, 'Fine.')
  const environment = openLogEnvironment(dir)
  const table = environment.openTable('log')
  environment.transactionSync(() => {
    for (let n = 0; n < 200; n++) table.putSync(Buffer.from(`k${n}`), Buffer.alloc(500, n))
  })
  await environment.close()
  checkDatabaseFile(dir, 'Fine.')

  const path = join(dir, 'data.mdb')
  const whole = await readFile(path)
  const refused = (reason: RegExp) =>
    assert.throws(
      () => checkDatabaseFile(dir, 'Do this.'),
      skiff('SKIFF_STORAGE', 'not-applied', reason),
    )
  for (let pages = 2; pages < whole.length / 4_096; pages++) {
    await writeFile(path, whole.subarray(0, pages * 4_096))
    refused(/data\.mdb was cut short: \d+ bytes of \d+\. Do this\.$/)
  }
  for (const bytes of [1, 100, 4_096, 5_000, 8_191]) {
    await writeFile(path, Buffer.alloc(bytes, 'rubbish'))
    refused(/is not a database/)
  }
  await writeFile(path, whole.subarray(0, 4_096))
  refused(/is not a database/)
  await writeFile(path, '')
  checkDatabaseFile(dir, 'Fine: made, and nothing written.')
  await writeFile(path, whole)
  checkDatabaseFile(dir, 'Fine.')
})

test('how much of its map a database uses is told while it is open, also where the file is a sparse one', async (t) => {
  for (const open of [openLogEnvironment, openStateEnvironment]) {
    const dir = await temporaryDir(t)
    const environment = open(dir)
    defer(t, () => environment.close())
    const table = environment.openTable('some')
    const write = (from: number) =>
      environment.transactionSync(() => {
        for (let n = from; n < from + 100; n++)
          table.putSync(Buffer.from(`k${n}`), Buffer.alloc(10_000))
      })
    const fresh = usedBytes(dir)
    assert.ok(fresh < 100_000, `${fresh} bytes at first`)
    for (const [round, from] of [0, 100, 200].entries()) {
      write(from)
      const used = usedBytes(dir)
      const least = (round + 1) * 1_000_000
      assert.ok(used > least && used < 2 * least, `${used} bytes of ${least} written`)
      assert.equal(mapFreeBytes(dir), 2 ** 36 - used)
    }
  }
})
