/**
 * Temporary data of the command-line jobs. Made in the current directory and not in the system's
 * temporary one, which is often memory: it would sync nothing, and so prove and measure nothing.
 */
import { mkdir, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'

export interface Scratch {
  readonly dir: string
  remove(): Promise<void>
}

/** Holds the temporary data of all jobs; is itself removed with the last. */
export const scratchRoot: string = resolve('.skiff')

export async function openScratch(name: string): Promise<Scratch> {
  await mkdir(scratchRoot, { recursive: true })
  const dir = await mkdtemp(join(scratchRoot, `${name}-`))
  return {
    dir,
    async remove() {
      await rm(dir, { recursive: true, force: true })
      if ((await readdir(scratchRoot)).length === 0) await rmdir(scratchRoot)
    },
  }
}
