/**
 * Which server listens: uWebSockets.js, native and fast, where it loads, and ws everywhere else. Both
 * speak the same protocol, so a cluster may be mixed.
 */
import { lookup } from 'node:dns/promises'
import { formatAddress } from '../address.ts'
import { messageOf, SkiffError } from '../errors.ts'
import type { Transport } from '../options.ts'
import type { Accept, Listener } from './listener.ts'
import { loadUws, openUwsListener } from './listener-uws.ts'
import { openWsListener } from './listener-ws.ts'

export interface ListenOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly transport: 'auto' | Transport
}

/**
 * Only at `peerPath` messages may be longer than those of a handshake (handshake.ts).
 * @throws SkiffError `SKIFF_CONFIG` when the port cannot be had, or uWebSockets.js is wanted and does not load
 */
export async function openListener(
  options: ListenOptions,
  peerPath: string,
  accept: Accept,
): Promise<Listener> {
  const { port, transport } = options
  const uws = transport === 'ws' ? null : loadUws()
  if (transport === 'uws' && uws !== null && !uws.loaded) throw config(uws.reason)
  const host = await resolveHost(options)
  try {
    const where = { host, port, peerPath }
    if (uws?.loaded === true) return await openUwsListener(uws.module, where, accept)
    return await openWsListener(where, accept)
  } catch (error) {
    const reason = messageOf(error)
    throw config(`cannot listen on ${formatAddress(options.host, port)}: ${reason}`, error)
  }
}

/** Asked once for both: the two would choose differently where a name has several addresses. */
async function resolveHost({ host, port }: ListenOptions): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw config(`cannot listen on ${formatAddress(host, port)}: unknown host`, error)
  }
}

function config(message: string, cause?: unknown): SkiffError {
  return new SkiffError('SKIFF_CONFIG', 'not-applied', message, { cause })
}
