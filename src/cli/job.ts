/**
 * The main job: a folder becomes keys in a cluster of three nodes, whose leader is killed half-way;
 * then each node's own state must equal the folder, read afresh. Called by start.ts.
 */
import { isDeepStrictEqual } from 'node:util'
import { createCluster } from '../cluster.ts'
import type { Cluster } from '../store.ts'
import { compare } from './compare.ts'
import { forEachConcurrently } from './concurrently.ts'
import { type Drill, killLeader, waitUntilApplied } from './drill.ts'
import { type Load, putFiles } from './load.ts'
import { Progress } from './progress.ts'
import { namespaceOf, renderCount, renderTable } from './report.ts'
import { renderDifferences, renderSummary } from './summary.ts'
import { type FileValue, filesPrefix, type Walk, walkFolder } from './walk.ts'

export interface Job {
  readonly folder: string
  /** Where the cluster keeps its data. */
  readonly dir: string
  /** Folders that are not part of the job, the data directory among them. */
  readonly exclude: readonly string[]
  /** Leave the cluster running until `signal`. */
  readonly keep: boolean
  readonly signal: AbortSignal
}

type Files = ReadonlyMap<string, FileValue>

const nodeCount = 3
const deletesInFlightMax = 512
const unreadableShownMax = 20

/** Whether all nodes hold exactly the files. */
export async function runJob(job: Job): Promise<boolean> {
  const before = await readFolder('reading', job)
  printUnreadable(before)
  await using cluster = await createCluster({ dir: job.dir, nodes: nodeCount, workers: 2 })
  job.signal.throwIfAborted()
  await cluster.waitForLeader({ signal: job.signal })

  const { load, drill } = await loadAndKill(cluster, before.files, job.signal)
  await deleteGone(cluster, before.files)
  await waitUntilApplied(cluster, job.signal)
  await printSummary(cluster, { folder: job.folder, walk: before, load, drill })

  const now = await readFolder('re-reading', job)
  const identical = await compareNodes(cluster, before.files, now.files)
  if (identical) console.log(`all ${now.files.size} keys identical on ${nodeCount} nodes`)
  if (job.keep) await stay(cluster, job.signal)
  return identical
}

async function readFolder(label: string, { folder, exclude, signal }: Job): Promise<Walk> {
  const progress = new Progress(label, 'files')
  const onProgress = (done: number, total: number) => progress.update(done, total)
  const walk = await walkFolder(folder, { exclude, signal, onProgress })
  progress.end()
  return walk
}

/** The kill is part of the put that completes the first half, so that its failure ends the load. */
async function loadAndKill(
  cluster: Cluster,
  files: Files,
  signal: AbortSignal,
): Promise<{ load: Load; drill: Drill | null }> {
  const progress = new Progress('loading', 'files')
  let drill: Drill | null = null
  const load = await putFiles(cluster, files, {
    signal,
    onPut: async (done, total) => {
      progress.update(done, total)
      if (done !== Math.ceil(total / 2)) return
      progress.note('killing the leader')
      drill = await killLeader(cluster, signal)
      progress.note(`another leader after ${renderCount(drill.electedAtMs - drill.killedAtMs)} ms`)
    },
  })
  progress.end()
  return { load, drill }
}

/** With `--dir`, an earlier run may have left keys of files that are gone. */
async function deleteGone(cluster: Cluster, files: Files): Promise<void> {
  const gone = (await cluster.keys(filesPrefix)).filter((key) => !files.has(key))
  await forEachConcurrently(gone, deletesInFlightMax, async (key) => {
    await cluster.delete(key)
  })
}

function printUnreadable({ unreadable }: Walk): void {
  for (const { path, reason } of unreadable.slice(0, unreadableShownMax)) {
    console.error(`left out, unreadable: ${path}: ${reason}`)
  }
  const more = unreadable.length - unreadableShownMax
  if (more > 0) console.error(`… and ${more} more`)
}

async function printSummary(
  cluster: Cluster,
  run: { folder: string; walk: Walk; load: Load; drill: Drill | null },
): Promise<void> {
  const { transport, workers } = cluster.status()
  const text = renderSummary({
    ...run,
    cluster: `${nodeCount} nodes in this process, ${workers} workers each, listening with ${transport}`,
    keys: await cluster.keys(filesPrefix),
    namespaces: (await cluster.prefixes()).filter(isOurs),
  })
  console.log(`\n${text}\n`)
}

async function compareNodes(cluster: Cluster, before: Files, now: Files): Promise<boolean> {
  let identical = true
  for (const node of cluster.nodes) {
    const state = node.scan({ prefix: filesPrefix }, { consistency: 'stale' })
    const comparison = await compare(before, now, state)
    const prefixes = await node.prefixes({ consistency: 'stale' })
    const prefixesRight = isDeepStrictEqual(prefixes.filter(isOurs), namespacesOf(now))
    if (comparison.differenceCount > 0) console.log(renderDifferences(node.id, comparison))
    else if (!prefixesRight)
      console.log(`node ${node.id}: its namespaces are not those of its keys`)
    identical &&= comparison.differenceCount === 0 && prefixesRight
  }
  return identical
}

function isOurs(namespace: string): boolean {
  return namespace.startsWith(filesPrefix)
}

/** In the order of the store: by UTF-8 bytes. */
function namespacesOf(files: Files): string[] {
  const namespaces = [...new Set([...files.keys()].map(namespaceOf))]
  return namespaces.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

async function stay(cluster: Cluster, signal: AbortSignal): Promise<void> {
  const rows = cluster.nodes.map((node) => [node.id, node.address, node.status().role])
  console.log(`\n${renderTable(['node', 'address', 'role'], rows)}\n\nCtrl-C closes the cluster.`)
  if (signal.aborted) return
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
