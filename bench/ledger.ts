/**
 * What a member that is written to from inside must hold in the end. Each writer has keys of its own and at
 * most one operation under way on each, numbered 1, 2, 3 … per key; the number says what the operation is
 * (put or delete) and what it stores. So an array of numbers is all there is to know of every value.
 */

export interface Workload {
  /** Part of the keys: no two writers share one. */
  readonly writer: number
  readonly keys: number
  /** `mixed`: sizes of one value to another differ, and one operation in eight is a delete. */
  readonly values: 'mixed' | number
}

/** Per key. */
export interface Ledger {
  /** The newest operation that was acknowledged; 0: none. */
  readonly acknowledged: Uint32Array
  /** The newest that was begun. */
  readonly begun: Uint32Array
}

const operationsPerDelete = 8
const mixedBytes = [16, 64, 100, 100, 200, 256, 500, 2_000]
const headerBytes = 8
/** More operations than are begun on one key in the milliseconds between a report and the end of the process. */
const unreportedMax = 4

export function emptyLedger({ keys }: Workload): Ledger {
  return { acknowledged: new Uint32Array(keys), begun: new Uint32Array(keys) }
}

/** The writer was killed right after it reported: what it did since then nobody knows. */
export function withoutReport({ acknowledged }: Ledger): Ledger {
  return { acknowledged, begun: acknowledged.map((operation) => operation + unreportedMax) }
}

export function keyOf({ writer }: Workload, key: number): string {
  return `${prefixOf(writer)}${String(key).padStart(8, '0')}`
}

export function prefixOf(writer: number): string {
  return `load/${writer}/`
}

export function keyNumberOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1))
}

export function isDelete({ values }: Workload, operation: number): boolean {
  return values === 'mixed' && operation % operationsPerDelete === 0
}

export function contentOf({ values }: Workload, key: number, operation: number): Buffer {
  const bytes = values === 'mixed' ? mixedSize(key, operation) : values
  const value = Buffer.alloc(bytes, operation % 256)
  value.writeUInt32BE(key, 0)
  value.writeUInt32BE(operation, 4)
  return value
}

/** By which operation it was stored; `null` where none stores such a value for this key. */
export function operationOf(workload: Workload, key: number, value: unknown): number | null {
  if (!(value instanceof Uint8Array) || value.length < headerBytes) return null
  const operation = Buffer.from(value.buffer, value.byteOffset, value.length).readUInt32BE(4)
  if (isDelete(workload, operation)) return null
  return contentOf(workload, key, operation).equals(value) ? operation : null
}

/** `found`: by which operation each key was stored; 0: it is not there. Returns what is wrong, key by key. */
export function offencesIn(
  workload: Workload,
  { acknowledged, begun }: Ledger,
  found: Uint32Array,
): string[] {
  const offences: string[] = []
  for (const [key, operation] of found.entries()) {
    const least = acknowledged[key] ?? 0
    const most = begun[key] ?? 0
    if (mayBe(workload, operation, least, most)) continue
    const what = operation === 0 ? 'is not there' : `was stored by operation ${operation}`
    offences.push(`${keyOf(workload, key)} ${what}; acknowledged ${least}, begun ${most}`)
  }
  return offences
}

function mayBe(workload: Workload, operation: number, least: number, most: number): boolean {
  if (operation > 0) return operation >= least && operation <= most
  if (least === 0) return true
  for (let one = least; one <= most; one++) if (isDelete(workload, one)) return true
  return false
}

function mixedSize(key: number, operation: number): number {
  const mixed = Math.imul(key + 1, 2_654_435_761) ^ Math.imul(operation, 40_503)
  return mixedBytes[(mixed >>> 9) % mixedBytes.length] ?? headerBytes
}
