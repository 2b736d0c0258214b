/**
 * What the machine allows, measured bare: nothing that waits for a disk, a thread or a socket is quicker than these.
 * They stand beside the figures of the suites, and are suites of their own (fsync, hop, socket).
 */
import { join } from 'node:path'
import { isOurs, type Row } from '../row.ts'
import { commitOf, type Timing } from './disk.ts'
import { hopOf } from './hop.ts'
import { socketOf } from './socket.ts'

export interface Limits {
  /** Durable LMDB transactions of one entry with so many puts of 100 B, as the log makes them. */
  readonly commits: readonly (Timing & { readonly puts: number })[]
  /** A small message to another thread and back. */
  readonly hop: Timing
  /** A small message to another process and back, over loopback. */
  readonly socket: Timing
}

const valueBytes = 100
const putCounts: readonly number[] = [1, 64, 1_000]
const measureMs = 500
const smallBytes = 100

export async function measureLimits(scratch: string): Promise<Limits> {
  const commits: Limits['commits'][number][] = []
  for (const puts of putCounts) {
    const dir = join(scratch, `limit-${puts}`)
    commits.push({ puts, ...(await commitOf(dir, puts, valueBytes, measureMs)) })
  }
  const hop = await hopOf(smallBytes, measureMs)
  return { commits, hop, socket: await socketOf(smallBytes, measureMs) }
}

/**
 * Of ours only, and of what has a limit: one caller's latency consists of commits, hops and the wire; the throughput of many
 * is bound by what one log takes in batches of so many.
 */
export function limitOf(row: Row, { commits, hop, socket }: Limits): Row['limit'] {
  if (!isOurs(row) || row.open !== null) return null
  const commit = commits.find(({ puts }) => puts === row.callers)
  const wireMs = row.nodes > 1 ? socket.p50Ms : 0
  if (row.work === 'put' && row.callers === 1 && commit !== undefined) {
    const name = wireMs > 0 ? 'commit + socket + 2 hops' : 'commit + hop'
    const leastMs = commit.p50Ms + wireMs + hop.p50Ms * (wireMs > 0 ? 2 : 1)
    return { name, percent: (100 * leastMs) / row.p50Ms }
  }
  if (row.work === 'put' && commit !== undefined) {
    const name = `log commits of ${row.callers}`
    return { name, percent: (100 * row.opsPerSecond) / commit.perSecond }
  }
  if (row.work === 'get' && row.callers === 1 && wireMs > 0)
    return { name: 'socket + 2 hops', percent: (100 * (wireMs + 2 * hop.p50Ms)) / row.p50Ms }
  return null
}
