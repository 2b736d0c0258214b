/**
 * Entrance: starts one peer, loads it in a closed loop, says what came of it, and ends it.
 * `node dist/bench/peers/try.js etcd --callers 64 --seconds 3`
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openHistogram, percentileMs, recordMs, renderCount } from '../../src/cli/report.ts'
import { openScratch } from '../../src/cli/scratch.ts'
import { messageOf } from '../../src/errors.ts'
import * as etcd from './etcd.ts'
import * as lmdb from './lmdb.ts'
import type { Peer, PeerClient } from './peer.ts'
import * as redis from './redis.ts'
import * as skiffRs from './skiff-rs.ts'

interface Entry {
  readonly peer: Peer
  connect(target: string): Promise<PeerClient>
}

/** After an error, so that a peer that refuses everything is not asked all the time. */
const pauseMs = 20
const errorKindsMax = 5

const entries: Record<string, Entry> = {
  etcd: { peer: etcd.etcd, connect: etcd.connect },
  lmdb: { peer: lmdb.lmdbBest, connect: lmdb.connect },
  redis: { peer: redis.redis, connect: redis.connect },
  'skiff-rs-1': { peer: skiffRs.skiffRsSingle, connect: skiffRs.connect },
  'skiff-rs-3': { peer: skiffRs.skiffRsTriple, connect: skiffRs.connect },
}

const usage = `Usage: node dist/bench/peers/try.js ${Object.keys(entries).join('|')} [--callers N] [--seconds S] [--keys N] [--value-bytes N]`

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      callers: { type: 'string', default: '64' },
      seconds: { type: 'string', default: '3' },
      keys: { type: 'string', default: '10000' },
      'value-bytes': { type: 'string', default: '256' },
    },
  })
  const entry = entries[positionals[0] ?? '']
  if (entry === undefined) {
    console.error(usage)
    return 2
  }
  const reason = entry.peer.unavailable()
  if (reason !== null) {
    console.error(`${entry.peer.name}: ${reason}`)
    return 1
  }
  const load = {
    callers: Number(values.callers),
    measureMs: Number(values.seconds) * 1_000,
    keys: Number(values.keys),
    valueBytes: Number(values['value-bytes']),
  }
  return (await tryPeer(entry, load)) ? 0 : 1
}

interface Load {
  readonly callers: number
  readonly measureMs: number
  readonly keys: number
  readonly valueBytes: number
}

/** One call of one caller, with the key that is next in its turn. */
type Operation = (key: string) => Promise<unknown>

/** Whether every call succeeded and every value read back right. */
async function tryPeer({ peer, connect }: Entry, load: Load): Promise<boolean> {
  const scratch = openScratch('peer')
  try {
    const running = await peer.start(scratch.dir)
    try {
      const before = await running.reign?.()
      const client = await connect(running.target)
      console.log(`${peer.name}, ${load.callers} callers, ${load.valueBytes} B`)
      const succeeded = await loadPeer(client, load)
      await client.close()
      const after = await running.reign?.()
      if (before !== after) console.log(`an election happened: ${before}, then ${after}`)
      return succeeded
    } finally {
      await running.stop()
    }
  } finally {
    scratch.remove()
  }
}

async function loadPeer(client: PeerClient, load: Load): Promise<boolean> {
  const written = new Map<string, Buffer>()
  let count = 0
  const put = async (key: string) => {
    const value = Buffer.alloc(load.valueBytes, `${key} ${count++} `)
    // An error leaves open whether it was stored.
    written.delete(key)
    await client.put(key, value)
    written.set(key, value)
  }
  const get = async (key: string) => {
    const value = await client.get(key)
    const expected = written.get(key)
    if (expected !== undefined && value?.equals(expected) !== true)
      throw new Error(`wrong value: ${value?.toString('latin1', 0, 40)}`)
  }
  const putsSucceeded = await measure('put', put, load)
  const getsSucceeded = await measure('get', get, load)
  return putsSucceeded && getsSucceeded
}

/** Callers in a closed loop, each with keys of its own, so that what it wrote last is there. */
async function measure(name: string, operation: Operation, load: Load): Promise<boolean> {
  const latencies = openHistogram()
  const errors = new Map<string, number>()
  const startMs = performance.now()
  const endMs = startMs + load.measureMs
  const call = async (_: unknown, caller: number) => {
    const keysEach = Math.max(1, Math.floor(load.keys / load.callers))
    for (let turn = 0; performance.now() < endMs; turn++) {
      const key = `bench/${String(caller * keysEach + (turn % keysEach)).padStart(8, '0')}`
      const calledMs = performance.now()
      try {
        await operation(key)
        recordMs(latencies, performance.now() - calledMs)
      } catch (error) {
        errors.set(messageOf(error), (errors.get(messageOf(error)) ?? 0) + 1)
        await sleep(pauseMs)
      }
    }
  }
  const cpu = process.cpuUsage()
  await Promise.all(Array.from({ length: load.callers }, call))
  const { user, system } = process.cpuUsage(cpu)
  const seconds = (performance.now() - startMs) / 1_000
  const clientCores = (user + system) / 1e6 / seconds
  const [p50, p99] = [50, 99].map((percent) => percentileMs(latencies, percent).toFixed(2))
  console.log(
    `  ${name}  ${renderCount(latencies.count / seconds)}/s  p50 ${p50} ms  p99 ${p99} ms  client on ${clientCores.toFixed(2)} cores`,
  )
  for (const [message, times] of [...errors].slice(0, errorKindsMax))
    console.log(`  ${times} errors: ${message}`)
  return errors.size === 0
}
