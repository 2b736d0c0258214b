/**
 * What ends the process, or the transaction, inside of lmdb where it loses account of free pages: written through the map,
 * after a compact copy (lmdb 2.9), or in version 3. Each runs in a process of its own.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { temporaryDir } from '../support/cleanup.ts'

const environment = new URL('../../src/storage/environment.js', import.meta.url).href

/** The state's environment with 20,000 keys, and transactions of random puts and deletes. */
const head = `
  import { mkdirSync } from 'node:fs'
  import { openStateEnvironment } from ${JSON.stringify(environment)}
  const dir = process.argv[1]
  let seed = 1
  const random = (below) => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) % below
  }
  const write = (environment, table, changes) =>
    environment.transactionSync(() => {
      const keys = Array.from({ length: changes }, () => random(20_000)).sort((a, b) => a - b)
      for (const number of keys) {
        const key = Buffer.from('some/key/' + String(number).padStart(8, '0'))
        if (random(2) === 0) table.removeSync(key)
        else table.putSync(key, Buffer.alloc([16, 64, 100, 100, 200, 256, 500, 2_000][random(8)]))
      }
    })
  const state = openStateEnvironment(dir + '/state')
  const table = state.openTable('kv')
  for (let n = 0; n < 300; n++) write(state, table, 200)
`

async function survives(t: TestContext, program: string): Promise<void> {
  const dir = await temporaryDir(t)
  const args = ['--input-type=module', '--eval', head + program, dir]
  const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' })
}

test('a state made of a copy takes a large batch first', async (t) => {
  await survives(
    t,
    `
    mkdirSync(dir + '/copy')
    await state.backup(dir + '/copy')
    const copy = openStateEnvironment(dir + '/copy')
    const copied = copy.openTable('kv')
    for (let n = 0; n < 20; n++) write(copy, copied, 3_000)
    await copy.close()
    await state.close()
  `,
  )
})

test('a state takes deletes while something reads an old moment of it for long', async (t) => {
  await survives(
    t,
    `
    const reading = state.useReadTransaction()
    for (let n = 0; n < 1_000; n++) write(state, table, 200)
    reading.done()
    await state.close()
  `,
  )
})

test('a state takes removals of every kind and size while something reads an old moment of it', async (t) => {
  await survives(
    t,
    `
    const prefixes = state.openTable('prefixes')
    const reading = state.useReadTransaction()
    for (const bytes of [10, 900, 1_300, 1_990, 2_100, 9_000])
      for (let n = 0; n < 60; n++) {
        state.transactionSync(() => {
          for (let k = 0; k < 100; k++) {
            const key = Buffer.from('size/' + bytes + '/' + random(400))
            if (random(3) === 0) table.removeSync(key)
            else table.putSync(key, Buffer.alloc(bytes, n))
            if (random(9) === 0) prefixes.putSync(key, Buffer.alloc(8))
            if (random(9) === 0) prefixes.removeSync(key)
          }
        })
        // All there is, in some of them.
        if (n % 20 === 19)
          for (const each of [table, prefixes])
            state.transactionSync(() => {
              const keys = [...each.getKeys({ start: Buffer.of(0), limit: 2_000 })].map((key) => Buffer.from(key))
              for (const key of keys) each.removeSync(key)
            })
      }
    reading.done()
    await state.close()
  `,
  )
})
