/** A disk of its own for the directory of a member, small enough to be filled. */
import { execFile, spawnSync } from 'node:child_process'
import { open, readFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What a long run writes fits in several times. */
const diskMiB = 512
const chunk: Uint8Array = new Uint8Array(2 ** 20)

export class SmallDisk {
  readonly dir: string
  #mounted = true

  private constructor(dir: string) {
    this.dir = dir
  }

  /** `null` where mounts are not permitted. */
  static async mount(dir: string): Promise<SmallDisk | null> {
    try {
      await run('mount', ['-t', 'tmpfs', '-o', `size=${diskMiB}m`, 'skiff-chaos', dir])
      return new SmallDisk(dir)
    } catch {
      // Faults that need it say that they were skipped.
      return null
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.dir)
    return bavail * bsize
  }

  /** Until so many bytes are left; 0: until the disk says that it is full. */
  async fill(freeBytes: number): Promise<void> {
    const file = await open(this.#ballast, 'w')
    try {
      for (;;) {
        const excess = (await this.freeBytes()) - freeBytes
        if (excess <= 0 && freeBytes > 0) return
        await file.write(excess > 0 ? chunk.subarray(0, excess) : chunk.subarray(0, 1))
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      await file.close()
    }
  }

  async empty(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  async unmount(): Promise<void> {
    if (!this.#mounted) return
    await run('umount', [this.dir])
    this.#mounted = false
  }

  abandon(): void {
    if (this.#mounted) spawnSync('umount', ['-l', this.dir])
    this.#mounted = false
  }

  get #ballast(): string {
    return join(this.dir, 'ballast')
  }
}

export async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await readFile('/proc/mounts', 'utf8')).split('\n')
  return lines.filter((line) => line.split(' ')[1]?.startsWith(folder))
}
