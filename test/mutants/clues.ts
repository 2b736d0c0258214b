/**
 * What has found each planted bug when it was last looked for everywhere: that is tried first the next time,
 * for it nearly always finds it again, and a whole hunt takes far longer.
 */
import type { Failed } from './hunter.ts'
import { readSource, writeSource } from './nursery.ts'

/** Either of a unit test, which must fail again, or of the simulator. */
export type Clue = Failed | { readonly seed: number }

/** By the name of the bug. */
export type Clues = ReadonlyMap<string, Clue>

const file = 'test/mutants/clues.json'

export function readClues(): Clues {
  return new Map(Object.entries(JSON.parse(readSource(file)) as Record<string, Clue>))
}

/** Those of bugs that nobody has looked for this time stay; `null`: nothing leads to it any more. */
export function updateClues(
  found: ReadonlyMap<string, Clue | null>,
  isPlanted: (name: string) => boolean,
): void {
  const all = [...new Map([...readClues(), ...found])].sort(([a], [b]) => (a < b ? -1 : 1))
  const kept = all.filter(([name, clue]) => clue !== null && isPlanted(name))
  writeSource(file, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`)
}
