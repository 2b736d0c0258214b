/**
 * Suites `put1` and `put3`: durable puts of random keys among many that are present, by 1, 64 and
 * 1,000 callers; one node and three in this process, against lmdb-js in the same run. Every system
 * gets the same keys and values in the same order, and has the machine to itself.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachConcurrently } from '../src/cli/concurrently.ts'
import { Progress } from '../src/cli/progress.ts'
import { type Cluster, createCluster, type Node, type Store } from '../src/index.ts'
import { measure, randomIntegers } from './load.ts'
import { openLmdbBest, openLmdbDefault } from './peers/lmdb.ts'
import type { Row } from './report.ts'

/** What is measured: resolves when the value is durable. */
export interface System {
  put(key: string, value: Buffer): Promise<unknown>
  close(): Promise<void>
}

export interface PutOptions {
  readonly suite: 'put1' | 'put3'
  readonly keys: number
  readonly measureMs: number
  readonly scratch: string
  /** Measure lmdb-js too. */
  readonly withPeers: boolean
  readonly onRow: (row: Row) => void
  /** Something the reader of the table must know. */
  readonly onNote: (note: string) => void
}

interface Contender {
  readonly name: string
  readonly nodes: number
  open(dir: string): Promise<Access[]>
}

/** A way into a system; one more than once in a cluster: through its leader, through a follower. */
interface Access extends System {
  readonly through: string
  /** What happened to it meanwhile that spoils the numbers, or `null`. */
  spoiled(): string | null
}

const valueSizes: readonly number[] = [100, 256]
const callerCounts: readonly number[] = [1, 64, 1_000]
const warmUpMs = 1_000
const preloadCallers = 4_096
/** Values that are put in turn; enough not to be in the first-level cache. */
const valuesCount = 1_024

const ours: Record<PutOptions['suite'], Contender> = {
  put1: { name: 'skiff, 1 node', nodes: 1, open: openSingle },
  put3: { name: 'skiff, 3 nodes', nodes: 3, open: openTriple },
}

const peers: readonly Contender[] = [
  { name: 'lmdb-js, best setting', nodes: 1, open: async (dir) => [access(openLmdbBest(dir))] },
  { name: 'lmdb-js, default', nodes: 1, open: async (dir) => [access(openLmdbDefault(dir))] },
]

export async function runPutSuite(options: PutOptions): Promise<void> {
  const contenders = [ours[options.suite], ...(options.withPeers ? peers : [])]
  for (const valueBytes of valueSizes) {
    for (const contender of contenders) await runContender(contender, valueBytes, options)
  }
}

async function runContender(
  contender: Contender,
  valueBytes: number,
  options: PutOptions,
): Promise<void> {
  const dir = join(options.scratch, 'data')
  const accesses = await contender.open(dir)
  try {
    await preload(`${contender.name}, ${valueBytes} B`, accesses, valueBytes, options.keys)
    for (const through of accesses) {
      for (const callers of callerCounts) {
        options.onRow(await measureRow(contender, through, callers, valueBytes, options))
        const spoiled = through.spoiled()
        if (spoiled !== null) options.onNote(spoiled)
      }
    }
  } finally {
    await accesses[0]?.close()
    await rm(dir, { recursive: true, force: true })
  }
}

async function measureRow(
  { name, nodes }: Contender,
  { put, through }: Access,
  callers: number,
  valueBytes: number,
  { suite, keys, measureMs }: PutOptions,
): Promise<Row> {
  const random = randomIntegers(callers)
  const values = makeValues(valueBytes)
  const next = () => put(keyOf(random(keys)), values[random(valuesCount)] ?? Buffer.alloc(0))
  const measurement = await measure(next, { callers, warmUpMs, measureMs })
  return { suite, system: name + through, nodes, callers, valueBytes, keys, ...measurement }
}

async function preload(
  label: string,
  [system]: Access[],
  valueBytes: number,
  keys: number,
): Promise<void> {
  const progress = new Progress(`preloading ${label}`, 'keys')
  const values = makeValues(valueBytes)
  let done = 0
  await forEachConcurrently(indexes(keys), preloadCallers, async (index) => {
    await system?.put(keyOf(index), values[index % valuesCount] ?? Buffer.alloc(0))
    progress.update(++done, keys)
  })
  progress.end()
}

function* indexes(count: number): Generator<number> {
  for (let index = 0; index < count; index++) yield index
}

function keyOf(index: number): string {
  return `bench/${String(index).padStart(8, '0')}`
}

/** Random, so that nothing can compress them. */
function makeValues(valueBytes: number): Buffer[] {
  const random = randomIntegers(valueBytes)
  const makeValue = () => Buffer.from(Array.from({ length: valueBytes }, () => random(256)))
  return Array.from({ length: valuesCount }, makeValue)
}

// ── Ways in ─────────────────────────────────────────────────────────────────────────────────────

function access(system: System): Access {
  return { ...system, through: '', spoiled: () => null }
}

async function openSingle(dir: string): Promise<Access[]> {
  const cluster = await createCluster({ dir, workers: 2 })
  await cluster.waitForLeader()
  return [access({ put: putInto(cluster), close: () => cluster.close() })]
}

async function openTriple(dir: string): Promise<Access[]> {
  const cluster = await createCluster({ dir, nodes: 3, workers: 2 })
  const leaderId = await cluster.waitForLeader()
  const leader = cluster.nodes.find((node) => node.id === leaderId)
  const follower = cluster.nodes.find((node) => node.id !== leaderId)
  if (leader === undefined || follower === undefined) throw new Error(`no leader ${leaderId} here`)
  return [
    throughNode(cluster, leader, ', on the leader', 'leader'),
    throughNode(cluster, follower, ', on a follower', 'follower'),
  ]
}

function throughNode(
  cluster: Cluster,
  node: Node,
  through: string,
  role: 'leader' | 'follower',
): Access {
  const spoiled = () => {
    const now = node.status().role
    return now === role
      ? null
      : `an election happened: ${node.id} is no ${role} any more but ${now}`
  }
  return { through, spoiled, put: putInto(node), close: () => cluster.close() }
}

function putInto(store: Store): System['put'] {
  return (key, value) => store.put(key, value)
}
