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
  /** Durable transactions of LMDB, each of one entry with so many puts, as the log makes them. */
  readonly commits: readonly Commit[]
  /** A small message to another thread and back. */
  readonly hop: Timing
  /** A small message to another process and back, over loopback. */
  readonly socket: Timing
}

interface Commit extends Timing {
  readonly puts: number
  readonly valueBytes: number
}

/** As in the suites of the goals. */
const valueSizes: readonly number[] = [100, 256]
const putCounts: readonly number[] = [1, 64, 1_000]
const measureMs = 500
const smallBytes = 100

export async function measureLimits(scratch: string): Promise<Limits> {
  const commits: Commit[] = []
  for (const valueBytes of valueSizes)
    for (const puts of putCounts) {
      const dir = join(scratch, 'limit')
      commits.push({ puts, valueBytes, ...(await commitOf(dir, puts, valueBytes, measureMs)) })
    }
  const hop = await hopOf(smallBytes, measureMs)
  return { commits, hop, socket: await socketOf(smallBytes, measureMs) }
}

/**
 * Of ours only, and of what has a limit: one caller's latency consists of commits, hops and the wire; the throughput
 * of many is bound by what one log takes in batches of so many.
 */
export function limitOf(row: Row, limits: Limits): Row['limit'] {
  if (!isOurs(row) || row.open !== null || row.opsPerSecond === 0) return null
  const { commits, hop, socket } = limits
  const isAlike = ({ puts, valueBytes }: Commit) =>
    puts === row.callers && valueBytes === row.valueBytes
  const commit = row.work === 'put' ? commits.find(isAlike) : undefined
  if (commit !== undefined && row.callers > 1) {
    const name = `log commits of ${row.callers}`
    return { name, percent: (100 * row.opsPerSecond) / commit.perSecond }
  }
  if (row.callers > 1) return null
  const way = row.nodes > 1 ? 'socket + 2 hops' : 'hop'
  const wayMs = row.nodes > 1 ? socket.p50Ms + 2 * hop.p50Ms : hop.p50Ms
  if (commit !== undefined)
    return { name: `commit + ${way}`, percent: (100 * (commit.p50Ms + wayMs)) / row.p50Ms }
  const isRemoteRead = row.work === 'get' && row.nodes > 1
  return isRemoteRead ? { name: way, percent: (100 * wayMs) / row.p50Ms } : null
}
