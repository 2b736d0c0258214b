/**
 * Entrance of `npm run hostile`.
 *
 *     npm run hostile -- [--inputs N] [--seed S]     frames for the decoder, and one connection
 *                                                    to 25 of them for the listeners of both transports
 *
 * Prints what each kind took. At the first broken promise: the seed, the kind and the input; exit code 1.
 */
import { readArguments, wholeFrom } from '../support/arguments.ts'
import { attackDecoder } from './decoder.ts'
import { attackListener, inFlight } from './listener.ts'
import type { KindReport } from './report.ts'

/** A connection costs as much as a few hundred frames. */
const framesPerConnection = 25

const usage = `usage: npm run hostile -- [--inputs N] [--seed S]
         --inputs N   frames for the decoder, and a connection for each ${framesPerConnection}; default 100000
         --seed S     draws them; default 1
exit code 0: all promises kept, 1: one was broken, 2: wrong arguments`

async function main(): Promise<number> {
  const { values } = readArguments(usage, {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
  })
  const inputs = wholeFrom(values.inputs, usage)
  const seed = wholeFrom(values.seed, usage)
  console.log(`seed ${seed}`)
  process.on('uncaughtException', (error) => die(seed, error))
  try {
    await attackEverything(seed, inputs)
    console.log('all promises kept')
    return 0
  } catch (error) {
    console.error(error instanceof Error ? error.stack : error)
    console.error(`again: npm run hostile -- --inputs ${inputs} --seed ${seed}`)
    return 1
  }
}

async function attackEverything(seed: number, inputs: number): Promise<void> {
  timed('decoder', () => attackDecoder(seed, inputs))
  for (const transport of ['uws', 'ws'] as const) {
    const started = performance.now()
    const connections = Math.ceil(inputs / framesPerConnection / 2)
    const { kinds, turnMs } = await attackListener({ transport, seed, inputs: connections })
    print(`listener, ${transport}`, kinds, performance.now() - started)
    console.log(`listener, ${transport}: longest turn ${turnMs.toFixed(1)} ms of processor time`)
  }
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024)
  console.log(`peak memory ${peakMiB} MiB`)
}

function timed(what: string, run: () => ReadonlyMap<string, KindReport>): void {
  const started = performance.now()
  const reports = run()
  print(what, reports, performance.now() - started)
}

function print(what: string, reports: ReadonlyMap<string, KindReport>, ms: number): void {
  let total = 0
  for (const [kind, { inputs, accepted, ms: spent }] of reports) {
    total += inputs
    const rate = perSecond(inputs, spent).padStart(9)
    const valid = accepted > 0 ? `, ${accepted} valid` : ''
    console.log(`${what}: ${kind.padEnd(36)} ${rate} inputs/s, ${inputs} inputs${valid}`)
  }
  console.log(`${what}: ${total} inputs, ${perSecond(total, ms)} inputs/s with their making`)
}

function perSecond(inputs: number, ms: number): string {
  return Math.round(inputs / Math.max(ms / 1_000, 1e-6)).toLocaleString('en')
}

/** Something was thrown where nobody catches it: in a program of a user this would have been its end. */
function die(seed: number, error: unknown): never {
  console.error(`seed ${seed}: the process would have died`, error)
  for (const { kind, peer } of inFlight) {
    console.error(`under way: '${kind}', input ${Buffer.from(peer.sent).toString('hex')}`)
  }
  process.exit(1)
}

process.exitCode = await main()
