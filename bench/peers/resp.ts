/** As much of Redis's protocol, RESP 2, as SET and GET need. */

export type Reply = { readonly value: Buffer | null } | { readonly error: string }

const lineEnd = '\r\n'
const nothing = Buffer.alloc(0)

/** Words of a command, as an array of bulk strings. */
export function encodeCommand(words: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${words.length}${lineEnd}`)]
  for (const word of words) {
    const bytes = Buffer.from(word)
    parts.push(Buffer.from(`$${bytes.length}${lineEnd}`), bytes, Buffer.from(lineEnd))
  }
  return Buffer.concat(parts)
}

/** Replies out of bytes that come in pieces. */
export class ReplyReader {
  #bytes: Buffer = nothing

  /** The replies that are now complete. */
  read(chunk: Buffer): Reply[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    const replies: Reply[] = []
    let at = 0
    for (let next = this.#next(at); next !== null; next = this.#next(at)) {
      replies.push(next.reply)
      at = next.end
    }
    this.#bytes = this.#bytes.subarray(at)
    return replies
  }

  #next(start: number): { reply: Reply; end: number } | null {
    const lineStop = this.#bytes.indexOf(lineEnd, start)
    if (lineStop < 0) return null
    const kind = String.fromCharCode(this.#bytes[start] ?? 0)
    const line = this.#bytes.toString('latin1', start + 1, lineStop)
    const begin = lineStop + lineEnd.length
    if (kind === '-') return { reply: { error: line }, end: begin }
    if (kind !== '$') return { reply: { value: Buffer.from(line) }, end: begin }
    const length = Number(line)
    if (length < 0) return { reply: { value: null }, end: begin }
    const end = begin + length + lineEnd.length
    if (end > this.#bytes.length) return null
    return { reply: { value: this.#bytes.subarray(begin, begin + length) }, end }
  }
}
