/** Entrance of the process of socket.ts: sends back what it gets. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { answerCalls } from '../child.ts'
import type { EchoCalls } from './socket.ts'

const server = createServer((socket) => {
  socket.setNoDelay()
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})

const calls: EchoCalls = {
  listen: async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    return address.port
  },
  close: async () => {
    server.close()
  },
}

answerCalls(calls, () => process.exit(0))
