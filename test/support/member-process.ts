/**
 * The program of a member as a process of its own: does what it is told over IPC (member.ts), and ends when
 * whoever started it does. What throws where nobody catches it ends the process as it would any other.
 */
import { errorToData, SkiffError } from '../../src/errors.ts'
import { createCluster } from '../../src/index.ts'
import type { Cluster, Entry, Node, WatchEvent } from '../../src/store.ts'
import type { Command, Failure, Reply } from './member.ts'
import { endThread, spyOnThreads } from './threads.ts'

spyOnThreads()

let opened: Cluster | null = null

function cluster(): Cluster {
  if (opened === null) throw new Error('not open')
  return opened
}

function node(): Node {
  const [only] = cluster().nodes
  if (only === undefined) throw new Error('no node')
  return only
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
      return entriesOf(cluster())
    case 'watch':
      return watch(command)
    case 'block':
      return block(command.ms)
    case 'endThread':
      return endThread(node().dir, command.entrance)
    case 'restart':
      await cluster().restart(node().id)
      return
    case 'close':
      return cluster().close()
  }
}

/** The scan reads one moment; nothing was applied while it did if the index is the same before and after. */
async function entriesOf(store: Cluster): Promise<Entry[]> {
  for (;;) {
    const { appliedIndex } = store.status()
    const entries: Entry[] = []
    for await (const entry of store.scan({}, { consistency: 'stale' })) entries.push(entry)
    if (store.status().appliedIndex === appliedIndex) return entries
  }
}

async function watch({ watch, prefix, fromRevision }: Command & { type: 'watch' }): Promise<void> {
  const watcher = cluster().watch(prefix, { fromRevision })
  const { ready } = watcher
  void deliver(watch, watcher)
  await ready
}

/** Events of one turn of the event loop go together. */
async function deliver(watch: number, watcher: AsyncIterable<WatchEvent>): Promise<void> {
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
