/** The clients of the peers: fixed bytes, and calls to an HTTP/2 server that is not ours. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type TestContext, test } from 'node:test'
import { decodeRange, decodeStatus, encodePut, encodeRange } from '../../bench/peers/etcd-client.ts'
import { GrpcClient } from '../../bench/peers/grpc.ts'
import { encodeCallHeaders, grpcStatusOf } from '../../bench/peers/hpack.ts'
import { encodeInsert } from '../../bench/peers/skiff-rs.ts'

test('a put and a read are these bytes', () => {
  assert.equal(encodePut('key', Buffer.from('value')).toString('hex'), '0a036b6579120576616c7565')
  assert.equal(
    encodeInsert('key', Buffer.from('value')).toString('hex'),
    '0a036b6579120576616c7565',
  )
  assert.equal(encodeRange('key').toString('hex'), '0a036b6579')
  const long = encodePut('k', Buffer.alloc(300))
  assert.equal(long.subarray(0, 6).toString('hex'), '0a016b12ac02')
  assert.equal(long.length, 306)
})

test('the value is found among the fields of an answer to a read', () => {
  const header = '0a0a 08ffffffffffffffff7f'
  const found = '1213 0a036b6579 1001 18ac02 2003 2a0576616c7565'
  assert.deepEqual(decodeRange(bytes(`${header} ${found} 2001`)), Buffer.from('value'))
  assert.deepEqual(decodeRange(bytes(`${header} 1205 0a036b6579`)), Buffer.alloc(0))
  assert.equal(decodeRange(bytes(header)), undefined)
  assert.throws(() => decodeRange(bytes('12130a03')), /cut off/)
})

test('a member says who it is, who leads, and in which term', () => {
  const header = '0a11 0807 10ffffffffffffffffff01 1805 2009'
  const status = decodeStatus(bytes(`${header} 1206332e342e3233 1801 20ffffffffffffffffff01`))
  assert.deepEqual(status, { id: 2n ** 64n - 1n, leaderId: 2n ** 64n - 1n, term: 9n })
})

test('the headers of a call are these bytes', () => {
  const path = '04 04 2f612f42'
  const authority = '01 0e 3132372e302e302e313a32333739'
  const type = '0f10 10 6170706c69636174696f6e2f67727063'
  const trailers = '00 02 7465 08 747261696c657273'
  assert.deepEqual(
    encodeCallHeaders('127.0.0.1:2379', '/a/B'),
    bytes(`83 86 ${path} ${authority} ${type} ${trailers}`),
  )
})

test('the status of a call is read as text and in Huffman code, wherever it stands', () => {
  const text = '00 0b 677270632d737461747573'
  const huffman = '40 88 9acac8b21234da8f'
  const others = '20 88 0f10 8b1d75d0620d263d4c4d6564'
  assert.equal(grpcStatusOf(bytes(`${text} 0130`)), 0)
  assert.equal(grpcStatusOf(bytes(`${text} 023134`)), 14)
  assert.equal(grpcStatusOf(bytes(`${others} ${huffman} 0134`)), 4)
  assert.equal(grpcStatusOf(bytes(`${huffman} 8107`)), 0)
  assert.equal(grpcStatusOf(bytes(`${huffman} 820b5f`)), 14)
  assert.equal(grpcStatusOf(bytes(others)), undefined)
})

test('of many calls at once, more than the server allows, each gets its own answer', async (context) => {
  const client = await connectTo(context)
  const messages = Array.from({ length: 200 }, (_, index) => Buffer.from(`message ${index}`))
  const answers = await Promise.all(messages.map((message) => client.call('test/Echo', message)))
  assert.deepEqual(answers, messages)
})

test('what is larger than every window passes in both directions', async (context) => {
  const client = await connectTo(context)
  const messages = [1, 2, 3].map((fill) => Buffer.alloc(2 ** 20 + fill, fill))
  const answers = await Promise.all(messages.map((message) => client.call('test/Echo', message)))
  assert.ok(answers.every((answer, index) => answer.equals(messages[index] ?? Buffer.alloc(0))))
})

test('a call that the server refuses fails, and says why', async (context) => {
  const client = await connectTo(context)
  await assert.rejects(client.call('test/Refuse', Buffer.alloc(1)), /test\/Refuse: UNAVAILABLE/)
  await assert.rejects(client.call('test/Late', Buffer.alloc(1)), /test\/Late: DEADLINE_EXCEEDED/)
  await assert.rejects(client.call('test/Unknown', Buffer.alloc(1)), /without a status/)
  await assert.rejects(client.call('test/Reset', Buffer.alloc(1)), /reset with code 8/)
  assert.deepEqual(await client.call('test/Echo', Buffer.from('after')), Buffer.from('after'))
})

test('calls fail when the connection has ended', async (context) => {
  const client = await connectTo(context)
  const calls = Array.from({ length: 30 }, () => client.call('test/Vanish', Buffer.alloc(1)))
  for (const result of await Promise.allSettled(calls)) assert.equal(result.status, 'rejected')
  await assert.rejects(client.call('test/Echo', Buffer.alloc(1)), /ended/)
})

const streamsMax = 10

async function connectTo(context: TestContext): Promise<GrpcClient> {
  const server = createServer({ settings: { maxConcurrentStreams: streamsMax } })
  server.on('stream', (stream, headers) => answer(stream, String(headers[':path'])))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = await GrpcClient.connect(`127.0.0.1:${portOf(server)}`, 1)
  context.after(async () => {
    await client.close()
    server.close()
  })
  return client
}

function answer(stream: ServerHttp2Stream, path: string): void {
  // Its session is being destroyed.
  stream.on('error', () => {})
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.on('end', () => {
    const body = Buffer.concat(chunks)
    if (path === '/test/Echo') respond(stream, body, 0)
    else if (path === '/test/Late') respond(stream, body, 4)
    else if (path === '/test/Refuse') stream.respond({ 'grpc-status': 14 }, { endStream: true })
    else if (path === '/test/Reset') stream.close(8)
    else if (path === '/test/Vanish') stream.session?.destroy()
    else stream.respond({ ':status': 404 }, { endStream: true })
  })
}

function respond(stream: ServerHttp2Stream, body: Buffer, status: number): void {
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(status) }))
  stream.end(body)
}

function portOf(server: Http2Server): number {
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}

/** @param hex with spaces */
function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex')
}
