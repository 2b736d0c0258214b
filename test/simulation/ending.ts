/** What must be so when all is healed and at rest: states equal to the truth, row by row, watches complete. */
import type { StateTables } from '../../src/storage/layout.ts'
import type { Checkers } from './checkers.ts'
import type { SimulatedNode } from './node.ts'
import type { Truth } from './truth.ts'
import { Violation } from './violation.ts'

/** @returns watches that were looked at */
export function checkEnd(
  nodes: readonly SimulatedNode[],
  { membership }: Checkers,
  truth: Truth,
): number {
  let watches = 0
  for (const { id, life } of nodes) {
    if (life === null) continue
    checkKeys(id, life.state.tables, truth, life.state.appliedIndex)
    checkPrefixes(id, life.state.tables)
    if (!membership.some((member) => member.id === id)) continue
    for (const watch of life.main.watches) {
      if (!watch.isComplete) throw new Violation('a watch is complete', `${id} '${watch.prefix}'`)
      watches++
    }
  }
  return watches
}

/** All keys there should be, each as it should be, and no other. */
function checkKeys(id: string, { kv }: StateTables, truth: Truth, index: number): void {
  let found = 0
  for (const { key, value } of kv.getRange({})) {
    found++
    const due = truth.at(key.toString(), index)
    const same =
      due?.createRevision === value.readDoubleBE(0) &&
      due.modRevision === value.readDoubleBE(8) &&
      due.version === value.readUInt32BE(16) &&
      due.value?.equals(value.subarray(20)) === true
    if (!same) throw new Violation('a state is true', `${id}: ${key} at ${index}`)
  }
  const due = [...truth.keys].filter((key) => truth.at(key, index) !== null).length
  if (found !== due) throw new Violation('a state is true', `${id} has ${found} keys of ${due}`)
}

/** As many keys directly in each namespace as are counted, and no namespace without. */
function checkPrefixes(id: string, { kv, prefixes }: StateTables): void {
  const due = new Map<string, number>()
  for (const key of kv.getKeys({})) {
    const name = key.toString()
    const namespace = `/${name.slice(0, name.lastIndexOf('/') + 1)}`
    due.set(namespace, (due.get(namespace) ?? 0) + 1)
  }
  for (const { key, value } of prefixes.getRange({})) {
    const count = due.get(key.toString())
    if (count !== value.readDoubleBE(0))
      throw new Violation('namespaces are counted', `${id}: ${key} has ${count}`)
    due.delete(key.toString())
  }
  if (due.size > 0)
    throw new Violation('namespaces are counted', `${id}: none for ${[...due.keys()]}`)
}
