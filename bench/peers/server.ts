/** Servers that are measured: found on this machine, started as processes of their own, and ended with us. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../src/errors.ts'

const startMsMax = 30_000
const pollMs = 20
/** Of asking a server to end; then it is made to. */
const stopMsMax = 10_000
/** What is kept of its output, to be shown when it fails. */
const outputCharactersMax = 4_000

export class ServerProcess {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #exited: Promise<unknown>
  #output = ''

  constructor(program: string, args: readonly string[]) {
    this.#name = program
    const [command, ...words] = [...endsWithUs(), program, ...args]
    if (command === undefined) throw new Error('no program')
    this.#child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.on('error', (error) => this.#note(messageOf(error)))
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => this.#note(chunk.toString()))
    this.#exited = new Promise((resolve) => this.#child.once('close', resolve))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** The newest of what it has said. */
  get output(): string {
    return this.#output
  }

  /** Asks until `probe` gives something; what it throws means not yet. */
  async untilReady<T>(probe: () => Promise<T | undefined>): Promise<T> {
    const endMs = performance.now() + startMsMax
    let reason = ''
    while (performance.now() < endMs && this.#lives) {
      try {
        const value = await probe()
        if (value !== undefined) return value
      } catch (error) {
        reason = messageOf(error)
      }
      await sleep(pollMs)
    }
    const fate = this.#lives ? `does not serve after ${startMsMax} ms` : 'has ended'
    throw new Error(`${this.#name} ${fate}: ${reason}\n${this.#output}`)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMsMax)
    await this.#exited
    clearTimeout(timer)
  }

  get #lives(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid !== undefined && exitCode === null && signalCode === null
  }

  #note(text: string): void {
    this.#output = (this.#output + text).slice(-outputCharactersMax)
  }
}

/** Where a program is, or `null`. */
export function findProgram(name: string): string | null {
  const folders = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? null
}

/** Ports that nobody listens on. All are held until the last is found, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      await new Promise((resolve) => server.close(resolve))
      return address.port
    }),
  )
}

/** Words before a command whose process dies with its parent, even a killed one; Linux only. */
function endsWithUs(): string[] {
  const setpriv = findProgram('setpriv')
  return setpriv === null ? [] : [setpriv, '--pdeathsig', 'SIGKILL', '--']
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
