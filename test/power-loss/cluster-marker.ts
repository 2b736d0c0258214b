/** What the recorded cluster says of its calls. */
export type ClusterMarker =
  | {
      readonly type: 'propose'
      readonly id: number
      readonly key: string
      /** Of the value, see {@link textOf}; `null`: a delete. */
      readonly length: number | null
    }
  | { readonly type: 'acknowledge'; readonly id: number; readonly term: number }

/** Says whose it is. */
export function textOf(id: number, length: number): string {
  return `${id}:`.padEnd(length, 'x')
}
