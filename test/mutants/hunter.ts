/** Lets the simulator and the unit tests loose on one tree, each as a process of its own. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { onExit } from '../../src/actor/exit.ts'
import type { Found, Progress } from './hunt.ts'

/** A mutant that loops forever is found as well. Far more than a seed, or a unit test, takes. */
const silenceMsMax = 60_000

/** `null`: none of these seeds broke a promise. */
export async function huntSeeds(tree: string, from: number, seeds: number): Promise<Found | null> {
  const child = fork(join(tree, 'test/mutants/hunt.js'), [`${from}`, `${seeds}`], {
    silent: true,
    detached: true,
  })
  const alive = watch(child)
  let seed = from
  let found: Found | null | undefined
  child.on('message', (message: Progress) => {
    alive()
    if (message.type === 'survived') seed = message.seed + 1
    else found = message.found
  })
  await once(child, 'close')
  return found === undefined ? { seed, rule: 'it hangs, or dies' } : found
}

/** A unit test that did not pass. */
export interface Failed {
  /** Below the folder of tests. */
  readonly file: string
  readonly name: string
}

/**
 * The first test that failed; those behind it do not run.
 * @param folders of unit tests, below `test`
 * @param about what most likely finds it: tests whose file has one of these names come first
 */
export async function huntTests(
  tree: string,
  folders: readonly string[],
  about: readonly string[] = [],
): Promise<Failed | null> {
  const isAbout = (file: string): boolean => about.some((each) => basename(file).startsWith(each))
  const files = folders.flatMap((folder) =>
    readdirSync(join(tree, 'test', folder))
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => `${folder}/${name}`),
  )
  files.sort((a, b) => Number(isAbout(b)) - Number(isAbout(a)))
  for (const file of files) {
    const failed = await huntFile(tree, file)
    if (failed !== null) return failed
  }
  return null
}

/**
 * The first test of this file that failed.
 * @param names of tests, the only ones to run; none: all
 */
export async function huntFile(
  tree: string,
  file: string,
  names: readonly string[] = [],
): Promise<Failed | null> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const only = names.map((name) => `--test-name-pattern=^${name.replace(/[^\w ]/g, '\\$&')}$`)
  const words = ['--test-reporter=tap', ...only, join(tree, 'test', file)]
  const child = spawn(process.execPath, words, {
    ...{ env, stdio: ['ignore', 'pipe', 'ignore'], detached: true },
  })
  const alive = watch(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    alive()
    output += chunk.toString()
  })
  const [code] = await once(child, 'close')
  if (code === 0) return null
  return { file, name: firstFailure(output) ?? 'the unit tests hang, or die' }
}

/** The innermost name: suites and files fail after what is in them. */
function firstFailure(tap: string): string | null {
  return /^\s*not ok \d+ - (.*)$/m.exec(tap)?.[1] ?? null
}

/**
 * Kills it, and what it has started, once it has been silent for too long; the returned function says that
 * it was not. It leads a group of its own.
 */
function watch(child: ChildProcess): () => void {
  const { pid } = child
  const kill = (): void => {
    if (pid !== undefined && child.exitCode === null) process.kill(-pid, 'SIGKILL')
  }
  const timer = setTimeout(kill, silenceMsMax)
  const forget = onExit(kill)
  child.once('close', () => {
    clearTimeout(timer)
    forget()
  })
  return () => void timer.refresh()
}
