/** What the recorded processes have in common: where things are, and markers in the trace. */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { directoryAt } from '../../src/storage/directory.ts'
import { openLogEnvironment } from '../../src/storage/environment.ts'
import { LogStore } from '../../src/storage/log-store.ts'

/** Where the parts of one recording are. */
export interface Places {
  /** Where the disk begins. */
  readonly root: string
  /** The data directory of a cluster, which makes it: `node-1` and so on in it. */
  readonly data: string
  readonly trace: string
  readonly markers: string
  /** What became of the keys. */
  readonly history: string
}

/** Of the data directory, on the disk that was recorded and in every image. */
export const dataName = 'store'

export function placesIn(folder: string): Places {
  const root = join(folder, 'disk')
  const data = join(root, dataName)
  return {
    root,
    data,
    trace: join(folder, 'trace'),
    markers: join(folder, 'markers'),
    history: join(folder, 'history'),
  }
}

/** Lines that stand in the trace among the system calls, where they were said. */
export class Markers<Marker> {
  readonly #file: number

  constructor({ markers }: Places) {
    this.#file = openSync(markers, 'w')
  }

  say(marker: Marker): void {
    writeSync(this.#file, `${JSON.stringify(marker)}\n`)
  }
}

/** This machine was not started anew; what tells a node so is the mark. */
export async function markAsOfAnotherStart(node: string): Promise<void> {
  const { log: path } = directoryAt(node)
  const { store } = LogStore.open(openLogEnvironment(path), path)
  const { stateMark } = store
  if (stateMark !== null) store.saveStateMark({ ...stateMark, bootId: 'another' })
  await store.close()
}
