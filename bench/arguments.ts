/** What the words after `npm run bench --` mean. */
import { parseArgs } from 'node:util'
import { assertArgument, isArgumentError } from '../src/cli/arguments.ts'

export const suites = {
  put1: 'durable puts: one node, against lmdb-js',
  put3: 'durable puts: three nodes, in three ways, against etcd, Redis and skiff-rs',
  read1: 'linearizable reads: one node, against lmdb-js',
  read3: 'linearizable reads: three nodes, against the same as put3',
  mixed: '95 % and 50 % reads of keys of which some are far more wanted than others',
  watch: 'fan-out: 1 to 1,000 watchers of the same keys',
  'scale-keys': 'puts and reads by keys: 10 k to 1 M; with --full to 10 M',
  'scale-value': 'puts by size of the value: 16 B to 1 MiB',
  'scale-nodes': 'puts by nodes: 1, 3, 5; in one process, and each in its own',
  latency: 'open loop at 25, 50 and 75 % of what each can do',
  overload: 'open loop at ten times what it can do',
  workers: 'puts by threads of a node: 1, 2, 3',
  hop: 'what a message from thread to thread and back takes',
  socket: 'what a message from process to process and back takes',
  codec: 'what encoding and decoding take',
  fsync: 'what the disk allows: fdatasync, and commits of LMDB',
  failover: 'time without an acknowledged put: leader killed, leadership transferred',
  memory: 'one idle node, and growth over a million puts',
  snapshot: 'time of a snapshot taken and installed, and the puts meanwhile',
  restart: 'time to the first read by keys: state believed, state made anew',
} as const

export type SuiteName = keyof typeof suites

export const suiteNames: readonly SuiteName[] = Object.keys(suites) as SuiteName[]

/** What the goals of the design are about. */
export const suitesByDefault: readonly SuiteName[] = ['put1', 'put3', 'read1', 'read3']

export type BenchArguments =
  | {
      readonly type: 'run'
      readonly suites: readonly SuiteName[]
      /** Length of one run, after its warm-up. */
      readonly measureMs: number
      /** Runs of each row; the row is their median. */
      readonly rounds: number
      /** Keys present in the suites of one node; fewer in those of three, for the slow among the peers. */
      readonly keys: number
      readonly full: boolean
      /** Snapshots, failovers and restarts of each kind. */
      readonly repeats: number
      /** Only systems whose name has this in it. */
      readonly only: string
      /** `null`: the one on PATH. */
      readonly etcd: string | null
      readonly json: string | null
      /** `null`: bench/results.html. */
      readonly html: string | null
      readonly results: boolean
    }
  | { readonly type: 'help' }
  | { readonly type: 'invalid'; readonly reason: string }

const nameWidth = 12

export const benchUsage: string = `Usage: npm run bench [-- [SUITE…] [options]]

${suiteNames.map((name) => `  ${name.padEnd(nameWidth)} ${suites[name]}`).join('\n')}
               default: ${suitesByDefault.join(' ')}, in less than ten minutes; all: every one of them

  --seconds S  length of each run; default 2
  --rounds N   runs of each row, which is their median; default 3
  --keys N     keys present in put1, read1, snapshot and restart; default 1000000
  --full       also what takes long: 10 M keys
  --repeats N  snapshots, failovers and restarts of each kind; default 10
  --only TEXT  only systems whose name has TEXT in it
  --etcd FILE  the etcd to measure, instead of the one on PATH
  --json FILE  write all numbers to FILE
  --html FILE  write the page with the plots to FILE instead of bench/results.html
  --results    rewrite what these suites say in bench/RESULTS.md, and bench/results.svg
  --help       this text`

export function parseBenchArguments(words: readonly string[]): BenchArguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        seconds: { type: 'string', default: '2' },
        rounds: { type: 'string', default: '3' },
        keys: { type: 'string', default: '1000000' },
        full: { type: 'boolean', default: false },
        repeats: { type: 'string', default: '10' },
        only: { type: 'string', default: '' },
        etcd: { type: 'string' },
        json: { type: 'string' },
        html: { type: 'string' },
        results: { type: 'boolean', default: false },
      },
    })
    if (values.help) return { type: 'help' }
    return {
      type: 'run',
      suites: suitesOf(positionals),
      measureMs: positive(values.seconds, 'seconds') * 1_000,
      rounds: Math.ceil(positive(values.rounds, 'rounds')),
      keys: Math.ceil(positive(values.keys, 'keys')),
      full: values.full,
      repeats: Math.ceil(positive(values.repeats, 'repeats')),
      only: values.only,
      etcd: values.etcd ?? null,
      json: values.json ?? null,
      html: values.html ?? null,
      results: values.results,
    }
  } catch (error) {
    if (isArgumentError(error)) return { type: 'invalid', reason: error.message }
    throw error
  }
}

function suitesOf(words: readonly string[]): readonly SuiteName[] {
  if (words.length === 0) return suitesByDefault
  return words.length === 1 && words[0] === 'all' ? suiteNames : words.map(suiteOf)
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
