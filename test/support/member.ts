/** A member as a process of its own, steered over IPC: see `startMember`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createCluster } from '../../src/index.ts'
import type { ClusterOptions } from '../../src/options.ts'
import type { Cluster, NodeStatus } from '../../src/store.ts'

type Command =
  | { readonly type: 'open'; readonly options: ClusterOptions }
  | { readonly type: 'put'; readonly key: string; readonly value: unknown }
  | { readonly type: 'status' }
  | { readonly type: 'close' }

type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly error: string })

export interface RemoteMember {
  readonly process: ChildProcess
  open(options: ClusterOptions): Promise<NodeStatus>
  put(key: string, value: unknown): Promise<void>
  status(): Promise<NodeStatus>
  close(): Promise<void>
  /** SIGKILL, to it and to whatever runs it. */
  kill(): Promise<void>
}

/** `wrapper` runs the process, e.g. `['strace', '-f']`. */
export function startMember(wrapper: readonly string[] = []): RemoteMember {
  const [command, ...args] = [
    ...wrapper,
    process.execPath,
    fileURLToPath(import.meta.url),
    'member',
  ]
  const child = spawn(command ?? '', args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    detached: true,
  })
  const waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >()
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  let ids = 0
  child.on('message', (reply: Reply) => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) caller?.reject(new Error(reply.error))
    else caller?.resolve(reply.value)
  })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the member has exited'))
  })
  const call = (message: Command): Promise<unknown> =>
    new Promise((resolve, reject) => {
      ids++
      waiting.set(ids, { resolve, reject })
      child.send({ ...message, id: ids })
    })
  return {
    process: child,
    open: async (options) => (await call({ type: 'open', options })) as NodeStatus,
    put: async (key, value) => void (await call({ type: 'put', key, value })),
    status: async () => (await call({ type: 'status' })) as NodeStatus,
    close: async () => {
      await call({ type: 'close' })
      child.disconnect()
      await exited
    },
    kill: async () => {
      // Detached, so it leads a group of its own, its wrapper included.
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        process.kill(-child.pid, 'SIGKILL')
      }
      await exited
    },
  }
}

function serve(): void {
  let cluster: Cluster | null = null
  const run = async (command: Command): Promise<unknown> => {
    if (command.type === 'open') cluster = await createCluster(command.options)
    if (cluster === null) throw new Error('not open')
    if (command.type === 'put') return cluster.put(command.key, command.value)
    if (command.type === 'close') return cluster.close()
    return cluster.status()
  }
  process.on('message', (command: Command & { id: number }) => {
    run(command).then(
      (value) => process.send?.({ id: command.id, value }),
      (error: unknown) => process.send?.({ id: command.id, error: String(error) }),
    )
  })
}

if (process.argv[2] === 'member') serve()
