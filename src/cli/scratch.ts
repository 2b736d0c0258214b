/**
 * Temporary data of the command-line jobs. Made in the current directory and not in the system's
 * temporary one, which is often memory: it would sync nothing, and so prove and measure nothing.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Synchronous, so that a signal handler can clear away before it exits. */
export interface Scratch {
  readonly dir: string
  remove(): void
}

/** Holds the temporary data of all jobs; is itself removed with the last. */
export const scratchRoot: string = resolve('.skiff')

/** Threads that are cut off in their work may still make a file while the folder is being removed. */
const removeRetriesMax = 5

export function openScratch(name: string): Scratch {
  mkdirSync(scratchRoot, { recursive: true })
  const dir = mkdtempSync(join(scratchRoot, `${name}-`))
  return {
    dir,
    remove() {
      rmSync(dir, { recursive: true, force: true, maxRetries: removeRetriesMax })
      if (readdirSync(scratchRoot).length === 0) rmdirSync(scratchRoot)
    },
  }
}
