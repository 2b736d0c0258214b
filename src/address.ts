/** Addresses as users and peers write them: `host:port`, also `[::1]:port`. */

/** Bytes of a host: the longest name that DNS carries. What is longer is no address, wherever it comes from. */
const hostBytesMax = 253

/** @throws TypeError that begins with `name` */
export function parseAddress(address: unknown, name: string): { host: string; port: number } {
  const match =
    typeof address === 'string'
      ? /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(address)
      : null
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  if (match === null || port > 65_535 || Buffer.byteLength(host) > hostBytesMax) {
    const given = typeof address === 'string' ? JSON.stringify(address) : String(address)
    throw new TypeError(`${name}: expected 'host:port', got ${given}`)
  }
  return { host, port }
}

/** @throws TypeError that begins with `name` */
export function parseHost(host: string, name: string): string {
  if (isAddress(`${host}:0`)) return parseAddress(`${host}:0`, name).host
  throw new TypeError(`${name}: expected a host, without a port, got ${JSON.stringify(host)}`)
}

export function isAddress(address: unknown): address is string {
  try {
    parseAddress(address, 'address')
    return true
  } catch (error) {
    if (error instanceof TypeError) return false
    throw error
  }
}

export function formatAddress(host: string, port: number): string {
  return `${bracketed(host)}:${port}`
}

export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** The port it had last, if it still listens on the same host. */
export function lastPort(address: string | null, host: string): number {
  if (address === null) return 0
  const last = parseAddress(address, 'address')
  return last.host === host ? last.port : 0
}
