/** Long files, read piece by piece: hashed on the way, copied if asked, given up when asked. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { LongWorkOptions } from '../options.ts'

const pieceBytes = 2 ** 20

export interface CopyPlan extends LongWorkOptions {
  readonly from: string
  /** Made anew and synced; `null`: only hash it. */
  readonly to: string | null
  /** From the beginning. */
  readonly bytes: number
}

/**
 * The SHA-256 of these bytes, in hexadecimal.
 * @throws the signal's reason; RangeError where the file ends before
 */
export async function copyHashed(plan: CopyPlan): Promise<string> {
  const source = await open(plan.from, 'r')
  try {
    if (plan.to === null) return await pass(plan, source, null)
    const target = await open(plan.to, 'wx')
    try {
      const hash = await pass(plan, source, target)
      await target.sync()
      return hash
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

type File = Awaited<ReturnType<typeof open>>

async function pass(plan: CopyPlan, source: File, target: File | null): Promise<string> {
  const { from, bytes, signal, onProgress } = plan
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafe(Math.min(bytes, pieceBytes))
  for (let at = 0; at < bytes; ) {
    signal?.throwIfAborted()
    const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, bytes - at), at)
    if (bytesRead === 0) throw new RangeError(`${from} ends at ${at}`)
    const part = piece.subarray(0, bytesRead)
    hash.update(part)
    await target?.appendFile(part)
    at += bytesRead
    onProgress?.(at, bytes)
  }
  signal?.throwIfAborted()
  return hash.digest('hex')
}
