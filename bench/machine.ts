/** Where the numbers were taken: without it they mean nothing. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem, type } from 'node:os'
import { syncOf } from './limits/disk.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly libc: string
  /** Type, device and options of what the data was on. */
  readonly filesystem: string
  /** One write of 4 KiB with fdatasync: what a durable put costs at least. */
  readonly fdatasync: { readonly p50Ms: number; readonly p99Ms: number }
}

const syncBytes = 4_096
const syncMs = 500

export function describeMachine(dir: string): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown CPU',
    cores: processors.length,
    memoryGiB: totalmem() / 2 ** 30,
    system: `${type()} ${release()} ${arch()}`,
    libc: libcVersion(),
    filesystem: filesystemOf(dir),
    fdatasync: measureFdatasync(dir),
  }
}

/** With `-dirty` when the working copy differs from the commit. */
export function commitOf(dir: string): string {
  try {
    const words = ['describe', '--always', '--dirty']
    const output = execFileSync('git', words, { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] })
    return output.toString().trim()
  } catch {
    // No git, no repository, or no commit yet: the numbers are worth having all the same.
    return 'unknown'
  }
}

function libcVersion(): string {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const glibc = report.header?.glibcVersionRuntime
  return glibc === undefined ? 'libc other than glibc' : `glibc ${glibc}`
}

/** The mount with the longest path above `dir`. */
function filesystemOf(dir: string): string {
  if (!existsSync('/proc/mounts')) return 'unknown'
  const mounts = readFileSync('/proc/mounts', 'utf8').trim().split('\n')
  const [found] = mounts
    .map((line) => line.split(' '))
    .filter(([, path = '']) => `${dir}/`.startsWith(path.endsWith('/') ? path : `${path}/`))
    .sort(([, a = ''], [, b = '']) => b.length - a.length)
  if (found === undefined) return 'unknown'
  const [device, , filesystem, options] = found
  return `${filesystem} (${options}) on ${device}`
}

function measureFdatasync(dir: string): Machine['fdatasync'] {
  const { p50Ms, p99Ms } = syncOf(dir, syncBytes, syncMs)
  return { p50Ms, p99Ms }
}
