/** What is applied in one transaction of the state: entries with about as many commands as a full batch has. */
import { batchCount } from '../codec/command.ts'
import { batchCommandsMax } from '../options.ts'
import type { Entry } from '../raft/types.ts'

export function slicesOf(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const slices: Entry[][] = []
  let commands = batchCommandsMax
  for (const entry of entries) {
    if (commands >= batchCommandsMax) {
      slices.push([])
      commands = 0
    }
    slices.at(-1)?.push(entry)
    commands += entry.type === 'batch' ? batchCount(entry.bytes) : 1
  }
  return slices
}
