/** Lets the simulator and the unit tests loose on one tree, each as a process of its own. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Found } from './hunt.ts'

/** A mutant that loops forever is found as well. Far more than any number of seeds takes. */
const hangMs = 300_000

export interface Catch {
  /** Which seed broke which promise; `null`: none of those that were tried. */
  readonly seed: Found | null
  /** The first unit test that failed. */
  readonly test: string | null
}

export async function huntSeeds(tree: string, from: number, seeds: number): Promise<Found | null> {
  const child = fork(join(tree, 'test/mutants/hunt.js'), [`${from}`, `${seeds}`], { silent: true })
  let found: Found | null = { seed: from, rule: 'it hangs, or dies' }
  child.on('message', (message) => {
    found = message as Found | null
  })
  await ended(child)
  return found
}

/** @param folders of unit tests, below `test` */
export async function huntTests(tree: string, folders: readonly string[]): Promise<string | null> {
  const files = folders.flatMap((folder) =>
    readdirSync(join(tree, 'test', folder))
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => join(tree, 'test', folder, name)),
  )
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const child = spawn(
    process.execPath,
    ['--test', '--test-concurrency=1', '--test-reporter=tap', ...files],
    { env, stdio: ['ignore', 'pipe', 'ignore'] },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await ended(child)
  if (code === 0) return null
  return firstFailure(output) ?? 'the unit tests hang, or die'
}

/** The innermost name: suites and files fail after what is in them. */
function firstFailure(tap: string): string | null {
  return /^\s*not ok \d+ - (.*)$/m.exec(tap)?.[1] ?? null
}

async function ended(child: ChildProcess): Promise<number | null> {
  const timer = setTimeout(() => child.kill('SIGKILL'), hangMs)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return code
}
