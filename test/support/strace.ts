/**
 * What `strace -f -y -xx` has written, as calls. A call that another thread interrupts stands in two lines;
 * what it asked for may have happened from the first on, what it promises holds from the second.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Call {
  readonly name: string
  /** The call with its result on one line; paths behind descriptors are readable, strings are not. */
  readonly text: string
  /** Lines of the trace. */
  readonly begunAt: number
  /** `null`: the process ended first. */
  readonly endedAt: number | null
}

/** False where it is not installed, or not permitted. */
export function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** In the order in which they began. With `-xx` there is nothing but ASCII in a trace, which needs no decoding. */
export function readTrace(file: string): Call[] {
  return readCalls(readFileSync(file, 'latin1'))
}

export function readCalls(trace: string): Call[] {
  const calls: Call[] = []
  const begun = new Map<string, { text: string; begunAt: number; at: number }>()
  for (const [n, line] of trace.split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text)
    if (resumed !== null) {
      const first = begun.get(thread)
      begun.delete(thread)
      if (first === undefined) continue
      const whole = first.text + text.slice(resumed[0].length)
      calls[first.at] = callOf(whole, first.begunAt, n)
    } else if (/^\w+\(/.test(text)) {
      const isWhole = !text.endsWith(unfinished)
      const shown = isWhole ? text : text.slice(0, -unfinished.length)
      if (!isWhole) begun.set(thread, { text: shown, begunAt: n, at: calls.length })
      calls.push(callOf(shown, n, isWhole ? n : null))
    }
  }
  return calls
}

/** What it returned; `null` if it failed or never did. */
export function resultOf({ text, endedAt }: Call): number | null {
  if (endedAt === null) return null
  const [, result] = /= (0x[0-9a-f]+|-?\d+|\?)[^=]*$/.exec(text) ?? []
  if (result === undefined) throw new Error(`no result: ${text.slice(-100)}`)
  return result === '?' || result === '-1' ? null : Number(result)
}

/** The descriptor a call begins with, and where it leads. */
export function descriptorOf({ text }: Call): { fd: number; path: string } | null {
  const [, fd, path] = /^\w+\((\d+)<([^>]*)>/.exec(text) ?? []
  return fd === undefined || path === undefined ? null : { fd: Number(fd), path }
}

/** The strings among the arguments, each byte of which strace shows as \xhh. */
export function stringsOf({ text }: Call): Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) => fromHex(match[1] ?? ''))
}

const unfinished = ' <unfinished ...>'

function callOf(text: string, begunAt: number, endedAt: number | null): Call {
  const readable = text.replace(
    /<((?:\\x[0-9a-f]{2})+)>/g,
    (_, path: string) => `<${fromHex(path).toString()}>`,
  )
  return { name: readable.slice(0, readable.indexOf('(')), text: readable, begunAt, endedAt }
}

/** Of `\xhh` each. Without another copy of the text, of which a trace of snapshots has a hundred megabytes. */
function fromHex(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length / 4)
  for (let n = 0; n < bytes.length; n++)
    bytes[n] = digitAt(text, 4 * n + 2) * 16 + digitAt(text, 4 * n + 3)
  return bytes
}

/** Of `0` to `9` and `a` to `f`. */
function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code < 0x40 ? code - 0x30 : code - 0x57
}
