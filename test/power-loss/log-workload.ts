/**
 * A process to record: a log store as a follower drives it. Each write is one transaction, so an image must hold
 * exactly what one of them left; the markers say how far it came.
 */
import { join } from 'node:path'
import { packEntries } from '../../src/codec/record.ts'
import type { LogWrite } from '../../src/raft/turn.ts'
import { directoryAt, makeDirectory, syncNames } from '../../src/storage/directory.ts'
import { openLogEnvironment } from '../../src/storage/environment.ts'
import { LogStore } from '../../src/storage/log-store.ts'
import { type LogMarker, plan, writes } from './log-plan.ts'
import { Markers, type Places, placesIn } from './workload.ts'

const lives = 3

async function live(
  { data }: Places,
  markers: Markers<LogMarker>,
  planned: Iterator<[number, { write: LogWrite }]>,
): Promise<void> {
  const directory = directoryAt(join(data, 'node-1'))
  makeDirectory(directory.path)
  const { store } = LogStore.open(openLogEnvironment(directory.log), directory.log)
  syncNames(directory)
  for (let n = 0; n < writes / lives; n++) {
    const [at, { write }] = planned.next().value
    markers.say({ type: 'begin', write: at })
    store.write(write, packEntries(write.entries))
    markers.say({ type: 'end', write: at })
  }
  await store.close()
}

const [, , folder = '', seed] = process.argv
const places = placesIn(folder)
const markers = new Markers<LogMarker>(places)
const planned = plan(Number(seed)).entries()
for (let life = 0; life < lives; life++) await live(places, markers, planned)
