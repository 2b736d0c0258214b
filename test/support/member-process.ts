/**
 * The program of a member as a process of its own: does what it is told over IPC (member.ts), and ends when
 * whoever started it does. What throws where nobody catches it ends the process as it would any other.
 */
import { syncBuiltinESMExports } from 'node:module'
import workerThreads from 'node:worker_threads'
import { errorToData, SkiffError } from '../../src/errors.ts'
import type { Cluster, Entry, WatchEvent, Watcher } from '../../src/store.ts'
import type { Command, Failure, Reply, Snapshot } from './member.ts'

/** In the order in which they were started. */
const threads: workerThreads.Worker[] = []

class KnownWorker extends workerThreads.Worker {
  constructor(...args: ConstructorParameters<typeof workerThreads.Worker>) {
    super(...args)
    threads.push(this)
  }
}

// Before the library is loaded, so that its threads are known here.
Object.assign(workerThreads, { Worker: KnownWorker })
syncBuiltinESMExports()
const { createCluster } = await import('../../src/index.ts')

const watchers = new Map<number, Watcher>()
let opened: Cluster | null = null

function cluster(): Cluster {
  if (opened === null) throw new Error('not open')
  return opened
}

async function run(command: Command): Promise<unknown> {
  switch (command.type) {
    case 'open':
      opened = await createCluster(command.options)
      return opened.status()
    case 'put':
      return cluster().put(command.key, command.value, command.options)
    case 'get':
      return cluster().get(command.key, command.options)
    case 'delete':
      return cluster().delete(command.key, command.options)
    case 'status':
      return cluster().status()
    case 'entries':
      return snapshot(cluster())
    case 'watch':
      return watch(command)
    case 'unwatch':
      return watchers.get(command.watch)?.close()
    case 'block':
      return block(command.ms)
    case 'endThread':
      return threads.splice(command.thread, 1)[0]?.terminate()
    case 'restart':
      threads.length = 0
      await cluster().restart(cluster().nodes[0]?.id ?? '')
      return
    case 'close':
      return cluster().close()
  }
}

/** The scan reads one moment; nothing was applied while it did if the index is the same before and after. */
async function snapshot(store: Cluster): Promise<Snapshot> {
  for (;;) {
    const { appliedIndex } = store.status()
    const entries: Entry[] = []
    for await (const entry of store.scan({}, { consistency: 'stale' })) entries.push(entry)
    if (store.status().appliedIndex === appliedIndex) return { appliedIndex, entries }
  }
}

async function watch(command: Command & { type: 'watch' }): Promise<void> {
  const { prefix, fromRevision } = command
  const watcher = cluster().watch(prefix, { fromRevision })
  watchers.set(command.watch, watcher)
  const { ready } = watcher
  void deliver(command.watch, watcher)
  await ready
}

/** Events of one turn of the event loop go together. */
async function deliver(watch: number, watcher: Watcher): Promise<void> {
  let events: WatchEvent[] = []
  const flush = (): void => {
    if (events.length > 0) say({ type: 'events', watch, events })
    events = []
  }
  try {
    for await (const event of watcher) {
      if (events.length === 0) setImmediate(flush)
      events.push(event)
    }
  } catch (error) {
    flush()
    say({ type: 'ended', watch, failure: failureOf(error) })
  }
  watchers.delete(watch)
}

function block(ms: number): number {
  const started = performance.now()
  let now = started
  while (now < started + ms) now = performance.now()
  return now - started
}

function failureOf(error: unknown): Failure {
  const { name, message } = error instanceof Error ? error : new Error(String(error))
  return { name, message, skiff: error instanceof SkiffError ? errorToData(error) : null }
}

function say(reply: Reply): void {
  if (process.connected) process.send?.(reply)
}

process.on('message', ({ id, ...command }: Command & { id: number }) => {
  run(command).then(
    (value) => say({ type: 'answer', id, value }),
    (error: unknown) => say({ type: 'failure', id, failure: failureOf(error) }),
  )
})

// Told to close it has nothing left to do; otherwise whoever started it is gone.
process.on('disconnect', () => {
  if (opened === null || opened.nodes.some((node) => node.status().role !== 'stopped')) {
    process.exit(1)
  }
})
