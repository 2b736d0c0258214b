/** The weather between members does what it says, in the direction it says. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { defer } from '../support/cleanup.ts'
import { until } from '../support/until.ts'
import { advertisedHost, fair, held, listenHost, Proxies, type Weather } from './proxy.ts'

const reset: Weather = { passage: 'reset', delayMs: 0 }
const [dialler, listener] = [201, 202]
const hello = `I am ${advertisedHost(dialler)}:1. `

/** An end of a connection, and what has come there so far. */
class End {
  readonly socket: Socket
  received = ''
  error: NodeJS.ErrnoException | null = null

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => {
      this.received += chunk.toString()
    })
    socket.on('error', (error) => {
      this.error = error
    })
  }
}

async function open(t: TestContext) {
  const proxies = new Proxies()
  const port = await proxies.open(listener)
  const accepted: End[] = []
  const server = createServer((socket) => accepted.push(new End(socket)))
  server.listen(port, listenHost(listener))
  await once(server, 'listening')
  const there = new End(connect(port, advertisedHost(listener)))
  defer(t, async () => {
    there.socket.destroy()
    await proxies.close()
    await once(server.close(), 'close')
  })
  const back = await until(() => accepted[0], 'the proxy dials the listener')
  return { proxies, there, back }
}

/** The dialler has said who it is. */
async function meet(t: TestContext) {
  const ends = await open(t)
  ends.there.socket.write(hello)
  await until(() => ends.back.received === hello, 'the hello arrives')
  return ends
}

test('in fair weather both sides hear each other', async (t) => {
  const { there, back } = await meet(t)
  back.socket.write('welcome')
  await until(() => there.received === 'welcome', 'the answer arrives')
})

test('what is held arrives in order once it is open again, and the other direction goes on', async (t) => {
  const { proxies, there, back } = await meet(t)
  proxies.rule(dialler, listener, held)
  for (const word of ['one ', 'two ', 'three']) there.socket.write(word)
  back.socket.write('still here')
  await until(() => there.received === 'still here', 'the other direction goes on')
  await until(() => proxies.effects.heldBytes === 13, 'the proxy holds all of it')
  assert.equal(back.received, hello)
  proxies.rule(dialler, listener, fair)
  await until(() => back.received === `${hello}one two three`, 'it arrives')
})

test('what the listener answers is held by the weather of its own direction', async (t) => {
  const { proxies, there, back } = await meet(t)
  proxies.rule(listener, dialler, held)
  back.socket.write('answer')
  there.socket.write('question')
  await until(() => back.received === `${hello}question`, 'the question arrives')
  await until(() => proxies.effects.heldBytes === 6, 'the proxy holds the answer')
  assert.equal(there.received, '')
})

test('who dials during a cut is accepted and gets nothing through from its hello on', async (t) => {
  const { proxies, there, back } = await open(t)
  proxies.rule(dialler, listener, held)
  there.socket.write(hello)
  await until(() => proxies.effects.heldBytes === hello.length, 'the proxy holds the hello')
  assert.equal(back.received, '')
})

test('the end of a connection is held, too', async (t) => {
  const { proxies, there, back } = await meet(t)
  proxies.rule(dialler, listener, held)
  there.socket.end('last words')
  await until(() => proxies.effects.heldBytes > 0, 'the proxy holds the words')
  await until(() => there.socket.closed, 'the dialler is gone')
  assert.ok(!back.socket.readableEnded && !back.socket.closed)
  proxies.rule(dialler, listener, fair)
  await until(() => back.socket.closed, 'the listener hears of it')
  assert.equal(back.received, `${hello}last words`)
})

test('a reset ends the connection on both sides, and each new one as soon as it is known', async (t) => {
  const { proxies, there, back } = await meet(t)
  const port = there.socket.remotePort ?? assert.fail('not connected')
  proxies.rule(listener, dialler, reset)
  await until(() => there.error?.code === 'ECONNRESET', 'the dialler hears of it')
  await until(() => back.error?.code === 'ECONNRESET', 'so does the listener')
  assert.equal(proxies.effects.resets, 1)
  const again = new End(connect(port, advertisedHost(listener)))
  again.socket.write(hello)
  await until(() => again.error?.code === 'ECONNRESET', 'the new one ends')
})

test('a delay keeps the order', async (t) => {
  const { proxies, there, back } = await meet(t)
  proxies.rule(dialler, listener, { passage: 'open', delayMs: 40 })
  there.socket.write('slow ')
  await until(() => proxies.effects.delayedBytes > 0, 'the proxy delays it')
  proxies.rule(dialler, listener, fair)
  there.socket.write('fast')
  await until(() => back.received === `${hello}slow fast`, 'both arrive')
})
