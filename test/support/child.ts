/** Programs that import the library, as child processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { defer } from './cleanup.ts'

const library = new URL('../../src/index.js', import.meta.url).href

export interface Child {
  readonly pid: number
  /** The next line it prints; `null` once it has ended. */
  line(): Promise<string | null>
  say(line: string): void
  signal(signal: NodeJS.Signals): void
  /** Its exit code and what it said on stderr. */
  readonly ended: Promise<{ code: number | null; stderr: string }>
}

/** `program` is the body of a module in which `createCluster` and `process` are known. Killed at the end of the test. */
export function runChild(test: TestContext, program: string): Child {
  const source = `import { createCluster } from ${JSON.stringify(library)}\n${program}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source])
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }))
  defer(test, async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    pid: child.pid ?? 0,
    line: async () => (await lines.next()).value ?? null,
    say: (line) => child.stdin.write(`${line}\n`),
    signal: (signal) => child.kill(signal),
    ended,
  }
}
