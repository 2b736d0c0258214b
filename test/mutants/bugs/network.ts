/** Bugs of the links: who comes in, who stays, and when a lost link is dialled again. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/network')
const plantCodec = mutantsOf('src/codec')

export const networkBugs: readonly Mutant[] = [
  plant(
    'link.ts',
    'a link that was up is dialled again as slowly as one that never was',
    'this.#failures = 0\n    this.#options.changed(true)',
    'this.#options.changed(true)',
  ),
  plant(
    'network.ts',
    'a peer that is back where it was is dialled only when its time has come',
    'this.#places.set(id, address)\n',
    'if (this.#places.get(id) === address) return\n    this.#places.set(id, address)\n',
  ),
  plant(
    'link.ts',
    'what waits in the socket is not counted',
    'if (state.dial.bufferedBytes + frame.length > linkBytesMax)',
    'if (frame.length > linkBytesMax)',
  ),
  plant(
    'reception.ts',
    'who has left can still be answered',
    'for (const [id, link] of this.#links) if (link.incoming === incoming) this.#links.delete(id)',
    '',
  ),
  plant(
    'reception.ts',
    'who has left takes up the room of a member',
    'this.#proven.delete(incoming)',
    '',
  ),
  plant(
    'reception.ts',
    'members are not counted',
    'if (this.#proven.size >= linksMax)',
    'if (this.#proven.size >= 1e9)',
  ),
  plant(
    'lobby.ts',
    'the newest stranger is turned away',
    'for (const oldest of this.#strangers)',
    'for (const oldest of [...this.#strangers].reverse())',
  ),
  plant(
    'incoming.ts',
    'who has proven the secret stays a stranger',
    'this.#connection.proven()',
    '',
  ),
  plant(
    'listener-uws.ts',
    'uws: a stranger that has a WebSocket is not dropped',
    'this.#socket?.close()',
    '',
  ),
  plant(
    'listener-uws.ts',
    'uws: a stranger that is gone takes up room',
    'this.#socket = null\n    this.#lobby.leave(this)',
    'this.#socket = null',
  ),
  plant(
    'listener-ws.ts',
    'ws: a stranger that is gone takes up room',
    'sockets.delete(socket)\n      lobby.leave(socket)',
    'sockets.delete(socket)',
  ),
  plant(
    'listener-ws.ts',
    'ws: a silent connection stays for ever',
    'socket.setTimeout(idleTimeoutMs, () => webSocket.terminate())',
    '',
  ),
  plant(
    'incoming.ts',
    'the time limit of the handshake outlives it',
    'clearTimeout(this.#deadline)\n    const linked',
    'const linked',
  ),
  plant('dialer.ts', 'an answered ping counts as missed', 'this.#pingsMissed = 0\n    })', '})'),
  plant(
    'network.ts',
    'a peer that is none any more keeps its link',
    'if (wanted.get(id)?.address === link.peer.address) continue',
    'if ((wanted.get(id) ?? link.peer).address === link.peer.address) continue',
  ),
  plantCodec(
    'places.ts',
    'what is quick overtakes what is slow',
    '    early.set(number, item)\n',
    '    if (number > known.next) return [item]\n    early.set(number, item)\n',
  ),
  plantCodec(
    'places.ts',
    'what has waited is forgotten',
    'each = early.get(known.next)) {',
    'each = undefined) {',
  ),
  plantCodec(
    'lane.ts',
    'a malformed short frame is not reported',
    "      this.#direct.post({ type: 'malformed', from: from.peer, reason })\n",
    '',
  ),
  plantCodec(
    'frame.ts',
    'a malformed frame ends the actor',
    '    if (!(error instanceof MalformedFrame)) throw error\n    report',
    '    if (error instanceof MalformedFrame) throw error\n    report',
  ),
  plantCodec(
    'codec.ts',
    'a malformed long frame holds up all behind it',
    "    storage.post({ type: 'rpc', from, rpc }",
    "    if (rpc !== null) storage.post({ type: 'rpc', from, rpc }",
  ),
]
