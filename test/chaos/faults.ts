/**
 * What can happen to a member. Each fault is put in, seen to be in effect, and taken away again; it resolves
 * when the member runs as before. That the cluster serves then is checked by whoever orders the faults.
 */
import { diskFull, diskLow, syncError, writeError } from './faults-disk.ts'
import { cut, delay, oneWayCut, reset } from './faults-network.ts'
import { blockLoop, endThread, kill, killAll, pauseProcess } from './faults-process.ts'
import type { Fault } from './stage.ts'

export type FaultKind =
  | 'kill'
  | 'kill all'
  | 'pause'
  | 'blocked loop'
  | 'thread death'
  | 'cut'
  | 'one-way cut'
  | 'reset'
  | 'delay'
  | 'sync error'
  | 'write error'
  | 'disk low'
  | 'disk full'

export const faults: Readonly<Record<FaultKind, Fault>> = {
  kill,
  'kill all': killAll,
  pause: pauseProcess,
  'blocked loop': blockLoop,
  'thread death': endThread,
  cut,
  'one-way cut': oneWayCut,
  reset,
  delay,
  'sync error': syncError,
  'write error': writeError,
  'disk low': diskLow,
  'disk full': diskFull,
}

export const faultKinds: readonly FaultKind[] = Object.keys(faults) as FaultKind[]

/** These need a member with a small disk. */
export const diskKinds: ReadonlySet<FaultKind> = new Set(['disk low', 'disk full'])
