/** A message to another process and back over a TCP connection of the loopback, nothing else. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Child } from '../child.ts'
import { type Timing, timeForAsync } from './timing.ts'

export type EchoCalls = {
  listen(): Promise<number>
  close(): Promise<void>
}

export async function socketOf(bytes: number, ms: number): Promise<Timing> {
  const echo = new Child<EchoCalls>(join(import.meta.dirname, 'socket-child.js'))
  try {
    const socket = connect(await echo.call('listen'), '127.0.0.1').setNoDelay()
    await once(socket, 'connect')
    const block = Buffer.alloc(bytes, 7)
    let missing = 0
    let wake: () => void = () => undefined
    socket.on('data', (chunk) => {
      missing -= chunk.length
      if (missing === 0) wake()
    })
    const timing = await timeForAsync(ms, () => {
      missing = bytes
      return new Promise<void>((resolve) => {
        wake = resolve
        socket.write(block)
      })
    })
    socket.destroy()
    return timing
  } finally {
    await echo.kill()
  }
}
