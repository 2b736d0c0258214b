/** What the disk allows: a write that is synced, and a transaction of LMDB as our log makes them. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { numberKey, openLogEnvironment } from '../../src/storage/environment.ts'
import { type Timing, timeFor } from './timing.ts'

export type { Timing } from './timing.ts'

/** The writes go around in a file of this many of them, so that most need no new block. */
const writesPerFile = 64
/** Of a put beside its value: a key as the bench has them, and lengths. */
const commandBytes = 24

/** A write of so many bytes, and fdatasync. */
export function syncOf(dir: string, bytes: number, ms: number): Timing {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'sync')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(bytes, 7)
  let writes = 0
  const write = () => {
    writeSync(file, block, 0, bytes, (writes++ % writesPerFile) * bytes)
    fdatasyncSync(file)
  }
  try {
    for (let n = 0; n < writesPerFile; n++) write()
    return timeFor(ms, write)
  } finally {
    closeSync(file)
    rmSync(path)
  }
}

/**
 * A durable transaction as the log makes it: one entry that holds so many puts, behind the last. `perSecond`
 * counts puts.
 */
export async function commitOf(
  dir: string,
  puts: number,
  valueBytes: number,
  ms: number,
): Promise<Timing> {
  const environment = openLogEnvironment(dir)
  const log = environment.openTable('log')
  const entry = Buffer.alloc(puts * (valueBytes + commandBytes), 7)
  let index = 1
  const commit = () => environment.transactionSync(() => log.appendSync(numberKey(index++), entry))
  try {
    const timing = timeFor(ms, commit)
    return { ...timing, perSecond: timing.perSecond * puts }
  } finally {
    await environment.close()
    await rm(dir, { recursive: true, force: true })
  }
}
