/**
 * What has found each planted bug when it was last looked for everywhere: that is tried first the next time,
 * for it nearly always finds it again, and a whole hunt takes far longer.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readSource } from './nursery.ts'

/** Either of a file of unit tests, below the folder of tests, or of the simulator. */
export type Clue = { readonly test: string } | { readonly seed: number }

/** By the name of the bug. */
export type Clues = ReadonlyMap<string, Clue>

const file = 'test/mutants/clues.json'

export function readClues(): Clues {
  return new Map(Object.entries(JSON.parse(readSource(file)) as Record<string, Clue>))
}

/** Keeps those of bugs that nobody has looked for this time. */
export function writeClues(found: Clues, isPlanted: (name: string) => boolean): void {
  const all = [...new Map([...readClues(), ...found])].filter(([name]) => isPlanted(name))
  const sorted = Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)))
  const path = fileURLToPath(new URL(`../../../${file}`, import.meta.url))
  writeFileSync(path, `${JSON.stringify(sorted, null, 2)}\n`)
}
