/**
 * The worker threads of the nodes of this process, told apart by what they were started for, so that a test
 * can end one of them behind the back of its node. `spyOnThreads` comes before the first node.
 */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { MessagePort, Transferable, Worker } from 'node:worker_threads'

type WorkerThreads = typeof import('node:worker_threads')
export type Entrance = 'storage' | 'codec'

interface Thread {
  readonly worker: Worker
  entrance: Entrance | null
  /** Of the node. */
  dir: string | null
  isOver: boolean
}

/** What piscina says to a worker: first which port is its own, then on that port what to run. */
interface Startup {
  readonly port: MessagePort
}
interface Task {
  readonly filename: string
  readonly task: { readonly dir?: string }
}

const threads: Thread[] = []
const byPort = new Map<MessagePort, Thread>()
let newestDir: string | null = null

export function spyOnThreads(): void {
  const module = createRequire(import.meta.url)('node:worker_threads') as WorkerThreads
  const pairs = new Map<MessagePort, MessagePort>()
  class SpiedChannel extends module.MessageChannel {
    constructor() {
      super()
      pairs.set(this.port2, this.port1)
    }
  }
  class SpiedWorker extends module.Worker {
    readonly #thread: Thread = { worker: this, entrance: null, dir: null, isOver: false }

    constructor(...args: ConstructorParameters<WorkerThreads['Worker']>) {
      super(...args)
      threads.push(this.#thread)
      this.once('exit', () => {
        this.#thread.isOver = true
      })
    }

    override postMessage(message: Startup, transfer?: readonly Transferable[]): void {
      const port = pairs.get(message.port)
      if (port !== undefined) this.#listen(port)
      super.postMessage(message, transfer)
    }

    #listen(port: MessagePort): void {
      byPort.set(port, this.#thread)
      const post = port.postMessage.bind(port)
      port.postMessage = (message: Task, transfer?: readonly Transferable[]) => {
        describe(this.#thread, message)
        post(message, transfer)
      }
    }
  }
  Object.assign(module, { MessageChannel: SpiedChannel, Worker: SpiedWorker })
}

/** A node starts its storage, of which the directory is told, and in the same breath its codecs. */
function describe(thread: Thread, { filename, task }: Task): void {
  thread.entrance = filename.endsWith('storage.js') ? 'storage' : 'codec'
  if (task.dir !== undefined) newestDir = task.dir
  thread.dir = newestDir
}

/** Those of this node that are not over, and those that never had anything to do. */
export function threadsLeft(dir: string): number {
  return threads.filter((one) => !one.isOver && (one.dir === dir || one.entrance === null)).length
}

export async function endThread(dir: string, entrance: Entrance): Promise<void> {
  const thread = threads.findLast((one) => one.dir === dir && one.entrance === entrance)
  assert.ok(thread !== undefined && !thread.isOver, `${dir} has no ${entrance} thread`)
  await thread.worker.terminate()
}
