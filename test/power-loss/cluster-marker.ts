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

/** What a watcher saw: a put of a text, or (`null`) a delete. */
export interface Happened {
  readonly revision: number
  readonly key: string
  readonly text: string | null
}

/** Says whose it is. */
export function textOf(id: number, length: number): string {
  return `${id}:`.padEnd(length, 'x')
}
