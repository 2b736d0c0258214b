/** Ports of this machine, in the hands of a test. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { TestContext } from 'node:test'
import { defer } from './cleanup.ts'

/** The address of a server that accepts, says this, and not a word more. */
export async function tcpServer(test: TestContext, greeting = ''): Promise<string> {
  const server = createServer((socket) => {
    defer(test, () => socket.destroy())
    socket.on('error', () => undefined).resume()
    socket.write(greeting)
  }).listen(0, '127.0.0.1')
  defer(test, () => server.close())
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Rejects if somebody has it. */
export async function takePort(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  await once(server.close(), 'close')
}

/** Nobody listens there now. */
export async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return `127.0.0.1:${port}`
}
