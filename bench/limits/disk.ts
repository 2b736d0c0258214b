/** What the disk allows: a write that is synced, and a transaction of LMDB as our log makes them. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { openLogEnvironment } from '../../src/storage/environment.ts'
import { keyBytesOf } from './log-key.ts'
import { type Timing, timeFor } from './timing.ts'

export type { Timing } from './timing.ts'

/** The writes go around in a file of this many of them, so that most need no new block. */
const writesPerFile = 64

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

/** A durable transaction that appends so many entries. `perSecond` counts entries. */
export async function commitOf(
  dir: string,
  entries: number,
  valueBytes: number,
  ms: number,
): Promise<Timing> {
  const root = openLogEnvironment(dir)
  const value = Buffer.alloc(valueBytes, 7)
  let index = 0
  try {
    const timing = timeFor(ms, () =>
      root.transactionSync(() => {
        for (let n = 0; n < entries; n++) root.putSync(keyBytesOf(index++), value)
      }),
    )
    return { ...timing, perSecond: timing.perSecond * entries }
  } finally {
    await root.close()
    await rm(dir, { recursive: true, force: true })
  }
}
