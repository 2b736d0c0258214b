/**
 * Entrance of `npm run check-history`.
 *
 *     npm run check-history -- FILE [--timeout-ms MS]
 *
 * Exit code 0: legal · 1: illegal, with the smallest illegal part that was found on stdout, which is a
 * history again · 2: unreadable, with the line · 3: not decided within the time. The verdict is on stderr.
 */
import { readFileSync, statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { formatHistory, HistoryError, type Operation, parseHistory } from './history.ts'
import { type Judgement, judge } from './judge.ts'
import { checkOrder, isOrderKnown, Violation } from './order.ts'

const usage = 'usage: npm run check-history -- FILE [--timeout-ms MS]'
/** Bytes of a history file; it is read whole, into one string. */
const fileBytesMax = 256 * 2 ** 20

const exitCodes = { legal: 0, illegal: 1, unreadable: 2, undecided: 3 } as const
type Ending = keyof typeof exitCodes

function main(): Ending {
  const asked = parseArguments()
  if (asked === null) return say('unreadable', usage)
  try {
    const history = read(asked.file)
    const ending = report(history, judge(history, asked))
    return ending === 'illegal' ? ending : (reportOrder(history) ?? ending)
  } catch (error) {
    // What the checkers themselves do wrong must not pass for a verdict.
    if (!(error instanceof HistoryError) && !isSystemError(error)) throw error
    return say('unreadable', `${asked.file}: ${error.message}`)
  }
}

function parseArguments(): { file: string; timeoutMs: number } | null {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { 'timeout-ms': { type: 'string', default: '60000' } },
    })
    const timeoutMs = Number(values['timeout-ms'])
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0 || !(timeoutMs >= 0)) return null
    return { file, timeoutMs }
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

function read(file: string): Operation[] {
  const { size } = statSync(file)
  if (size > fileBytesMax) throw new HistoryError(1, `${size} bytes, at most ${fileBytesMax}`)
  return parseHistory(readFileSync(file, 'utf8'))
}

function report(history: readonly Operation[], { verdict, key, offence }: Judgement): Ending {
  const keys = new Set(history.map((operation) => operation.key)).size
  const size = `${history.length} operations on ${keys} keys`
  switch (verdict) {
    case 'legal':
      return say('legal', `${size}: linearizable`)
    case 'undecided':
      return say('undecided', `${size}: not decided within the time, key ${JSON.stringify(key)}`)
    case 'illegal':
      process.stdout.write(formatHistory(offence))
      return say(
        'illegal',
        `${size}: NOT linearizable, key ${JSON.stringify(key)}; offence on stdout`,
      )
  }
}

/** The second judge, where it can judge; `null` if it has nothing against it. */
function reportOrder(history: readonly Operation[]): Ending | null {
  if (!isOrderKnown(history)) {
    say('legal', 'revisions: not judged, as values repeat or acknowledged puts have none')
    return null
  }
  try {
    checkOrder(history)
    say('legal', 'revisions: in order')
    return null
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    process.stdout.write(formatHistory(error.operations))
    return say('illegal', `revisions: ${error.message}`)
  }
}

function say(ending: Ending, words: string): Ending {
  console.error(words)
  return ending
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error
}

process.exitCode = exitCodes[main()]
