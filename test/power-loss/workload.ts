/** What the recorded processes have in common: markers in the trace, and copies of what a map hides. */
import { openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Where the parts of one recording are. */
export interface Places {
  /** The data directory of a cluster: `node-1` in it. */
  readonly data: string
  readonly node: string
  readonly trace: string
  readonly markers: string
  /** Copies of the state's file after each clean close, `clean-N`, and of it in use, `live-N`. */
  readonly copies: string
}

export function placesIn(folder: string): Places {
  const data = join(folder, 'data')
  return {
    data,
    node: join(data, 'node-1'),
    trace: join(folder, 'trace'),
    markers: join(folder, 'markers'),
    copies: join(folder, 'copies'),
  }
}

/** Lines that stand in the trace among the system calls, where they were said. */
export class Markers {
  readonly #file: number

  constructor({ markers }: Places) {
    this.#file = openSync(markers, 'w')
  }

  say(marker: object): void {
    writeSync(this.#file, `${JSON.stringify(marker)}\n`)
  }
}

export function saveCopy({ copies }: Places, name: string, bytes: Buffer): void {
  writeFileSync(join(copies, name), bytes)
}
