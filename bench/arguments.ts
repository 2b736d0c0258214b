/** What the words after `npm run bench --` mean. */
import { parseArgs } from 'node:util'
import { assertArgument, isArgumentError } from '../src/cli/arguments.ts'

export type SuiteName = 'put1' | 'put3' | 'memory' | 'snapshot' | 'failover' | 'restart'

export type BenchArguments =
  | {
      readonly type: 'run'
      readonly suites: readonly SuiteName[]
      /** Length of one row, after a second of warm-up. */
      readonly measureMs: number
      /** Keys present while puts are measured. */
      readonly keys: number
      /** Snapshots, failovers and restarts of each kind. */
      readonly repeats: number
      readonly json: string | null
      readonly results: boolean
    }
  | { readonly type: 'help' }
  | { readonly type: 'invalid'; readonly reason: string }

export const suiteNames: readonly SuiteName[] = [
  'put1',
  'put3',
  'memory',
  'snapshot',
  'failover',
  'restart',
]

export const benchUsage: string = `Usage: npm run bench [-- [SUITE…] [options]]

  put1         one node: durable puts against lmdb-js
  put3         three nodes in this process: durable puts against lmdb-js
  memory       one idle node, and growth over a million puts
  snapshot     time of a snapshot taken and installed, and the puts meanwhile
  failover     time without an acknowledged put: leader killed, leadership transferred
  restart      time to the first read by keys: state believed, state made anew
               default: all of them

  --seconds S  length of each row; default 5
  --keys N     keys present, among which the puts choose; default 1000000
  --repeats N  snapshots, failovers and restarts of each kind; default 10
  --json FILE  write all numbers to FILE
  --results    rewrite what these suites say in bench/RESULTS.md
  --help       this text`

export function parseBenchArguments(words: readonly string[]): BenchArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        seconds: { type: 'string', default: '5' },
        keys: { type: 'string', default: '1000000' },
        repeats: { type: 'string', default: '10' },
        json: { type: 'string' },
        results: { type: 'boolean', default: false },
      },
    })
    if (values.help) return { type: 'help' }
    return {
      type: 'run',
      suites: positionals.length === 0 ? suiteNames : positionals.map(suiteOf),
      measureMs: positive(values.seconds, 'seconds') * 1_000,
      keys: Math.ceil(positive(values.keys, 'keys')),
      repeats: Math.ceil(positive(values.repeats, 'repeats')),
      json: values.json ?? null,
      results: values.results,
    }
  } catch (error) {
    if (isArgumentError(error)) return { type: 'invalid', reason: error.message }
    throw error
  }
}

function suiteOf(word: string): SuiteName {
  const suite = suiteNames.find((name) => name === word)
  assertArgument(suite !== undefined, `no suite is called '${word}': ${suiteNames.join(', ')}`)
  return suite
}

function positive(text: string, name: string): number {
  const value = Number(text)
  assertArgument(
    Number.isFinite(value) && value > 0,
    `--${name}: expected a number above 0, got '${text}'`,
  )
  return value
}
