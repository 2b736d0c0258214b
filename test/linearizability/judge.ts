/**
 * Judges a whole history: each key alone by search (wgl.ts), the first offence made small (minimise.ts).
 * Time is shared out, so that one hard key does not leave the others unseen.
 */
import { groupByKey, judgeable, type Operation } from './history.ts'
import { minimise } from './minimise.ts'
import { searchOrder, type Verdict } from './wgl.ts'

export interface Judgement {
  readonly verdict: Verdict
  /** Which key is illegal, or could not be decided; `null` when all are legal. */
  readonly key: string | null
  /** The smallest illegal part that was found; empty unless `illegal`. */
  readonly offence: readonly Operation[]
}

export interface JudgeOptions {
  /** For the whole history; beyond it what is not known to be illegal is undecided. Default 60000. */
  readonly timeoutMs?: number
}

/** Making an offence small asks for many verdicts; each may take this long at most. */
const minimiseStepMsMax = 200
/** All of them together. */
const minimiseMsMax = 10_000

export function judge(
  history: readonly Operation[],
  { timeoutMs = 60_000 }: JudgeOptions = {},
): Judgement {
  const deadline = performance.now() + timeoutMs
  const keys = [...groupByKey(judgeable(history))]
  let undecided: string | null = null
  for (const [n, [key, operations]] of keys.entries()) {
    const now = performance.now()
    const verdict = searchOrder(operations, now + (deadline - now) / (keys.length - n))
    if (verdict === 'illegal') return { verdict, key, offence: makeSmall(operations) }
    if (verdict === 'undecided') undecided ??= key
  }
  return { verdict: undecided === null ? 'legal' : 'undecided', key: undecided, offence: [] }
}

function makeSmall(operations: readonly Operation[]): readonly Operation[] {
  const deadline = performance.now() + minimiseMsMax
  return minimise(operations, (fewer) => {
    const now = performance.now()
    return now < deadline && searchOrder(fewer, now + minimiseStepMsMax) === 'illegal'
  })
}
