/** Looks for a seed that the program of this tree does not survive. Run by `hunter.ts` in a child process. */
import { simulate } from '../simulation/cluster.ts'

export interface Found {
  readonly seed: number
  readonly rule: string
}

/** What is said after each seed, and at the end. */
export type Progress =
  | { readonly type: 'survived'; readonly seed: number }
  | { readonly type: 'ended'; readonly found: Found | null }

function hunt(from: number, seeds: number): Found | null {
  for (let seed = from; seed < from + seeds; seed++) {
    const rule = brokenRule(seed)
    if (rule !== null) return { seed, rule }
    say({ type: 'survived', seed })
  }
  return null
}

function brokenRule(seed: number): string | null {
  try {
    return simulate(seed).broken?.rule ?? null
  } catch (error) {
    return `it throws: ${(error as Error).message.split('\n')[0]}`
  }
}

function say(progress: Progress): void {
  process.send?.(progress)
}

const [from = '1', seeds = '0'] = process.argv.slice(2)
say({ type: 'ended', found: hunt(Number(from), Number(seeds)) })
