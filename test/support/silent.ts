/** Somebody who accepts connections and never says a word. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { defer } from './cleanup.ts'

export async function silentAddress(test: TestContext): Promise<string> {
  const server = createServer((socket) => {
    defer(test, () => socket.destroy())
    socket.on('error', () => undefined).resume()
  }).listen(0, '127.0.0.1')
  defer(test, () => server.close())
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
