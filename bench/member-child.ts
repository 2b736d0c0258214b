/** Entrance of the process of a LoadedMember (member.ts): one node, and callers that write to it. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { forEachConcurrently } from '../src/cli/concurrently.ts'
import { type Cluster, createCluster } from '../src/index.ts'
import type { ClusterOptions } from '../src/options.ts'
import type { Entry, NodeStatus } from '../src/store.ts'
import { Callers, reportNothing } from './callers.ts'
import { answerCalls } from './child.ts'
import {
  contentOf,
  emptyLedger,
  keyNumberOf,
  keyOf,
  type Ledger,
  operationOf,
  prefixOf,
  type Workload,
} from './ledger.ts'
import type { Contents, MemberCalls, Memory } from './member.ts'

const fillCallers = 4_096
const strangeMax = 10

let opened: Cluster | null = null
let callers: Callers | null = null

const calls: MemberCalls = {
  open: openNode,
  openToRead,
  status: () => node().status(),
  begin: (workload, ledger, count, seed) => {
    callers = new Callers(node(), workload, ledger, seed)
    callers.start(count)
  },
  fill,
  report: () => ({ ...recent(), memory: memoryOf(), status: node().status() }),
  end: () => loading().end(),
  snapshot: async () => {
    await node().snapshot()
    return node().status().snapshotIndex
  },
  transfer: () => node().transferLeadership(),
  contents,
  close: async () => opened?.close(),
}

function node(): Cluster {
  if (opened === null) throw new Error('not open')
  return opened
}

function loading(): Callers {
  if (callers === null) throw new Error('no load was begun')
  return callers
}

function recent(): ReturnType<Callers['report']> {
  return callers?.report() ?? reportNothing()
}

async function openNode(options: ClusterOptions): Promise<NodeStatus> {
  opened = await createCluster(options)
  return opened.status()
}

async function openToRead(options: ClusterOptions): Promise<number> {
  const startMs = performance.now()
  await openNode(options)
  await node().get('load/')
  return performance.now() - startMs
}

async function fill(workload: Workload): Promise<Ledger> {
  const ledger = emptyLedger(workload)
  await forEachConcurrently(ledger.begun.keys(), fillCallers, async (key) => {
    ledger.begun[key] = 1
    await node().put(keyOf(workload, key), contentOf(workload, key, 1))
    ledger.acknowledged[key] = 1
  })
  return ledger
}

/** The scan reads one moment; nothing was applied while it did if the index is the same before and after. */
async function contents(workloads: readonly Workload[]): Promise<Contents> {
  const { appliedIndex } = node().status()
  const hash = createHash('sha256')
  const found = workloads.map(({ keys }) => new Uint32Array(keys))
  const strange: string[] = []
  let entries = 0
  let bytes = 0
  for await (const entry of node().scan({}, { consistency: 'stale' })) {
    const { key, value, createRevision, modRevision, version } = entry
    hash.update(`${key} ${createRevision} ${modRevision} ${version} `)
    if (value instanceof Uint8Array) hash.update(value)
    bytes += key.length + (value instanceof Uint8Array ? value.length : 0)
    entries++
    if (!place(entry, workloads, found) && strange.length < strangeMax) strange.push(key)
  }
  if (node().status().appliedIndex !== appliedIndex) return contents(workloads)
  return { appliedIndex, entries, bytes, digest: hash.digest('hex'), found, strange }
}

/** False where nobody has written this. */
function place(
  { key, value }: Entry,
  workloads: readonly Workload[],
  found: readonly Uint32Array[],
): boolean {
  const at = workloads.findIndex(({ writer }) => key.startsWith(prefixOf(writer)))
  const [workload, operations] = [workloads[at], found[at]]
  const number = keyNumberOf(key)
  if (workload === undefined || operations === undefined || !(number < workload.keys)) return false
  const operation = operationOf(workload, number, value)
  operations[number] = operation ?? 0
  return operation !== null
}

const ownStatus = '/proc/self/status'

function memoryOf(): Memory {
  const { rss, heapUsed } = process.memoryUsage()
  const text = existsSync(ownStatus) ? readFileSync(ownStatus, 'utf8') : ''
  const kibibytes = /^RssAnon:\s+(\d+) kB$/m.exec(text)?.[1] ?? '0'
  return { rssBytes: rss, anonymousBytes: Number(kibibytes) * 1_024, heapBytes: heapUsed }
}

// Told to close it has nothing left to do; otherwise whoever started it is gone.
answerCalls(calls, () => {
  if (opened !== null && opened.status().role !== 'stopped') process.exit(1)
})
