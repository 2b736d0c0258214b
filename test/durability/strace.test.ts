/**
 * What the kernel saw: a promise leaves a process only after the log is on its disk. Each member runs
 * under strace; the frames it sends are decoded from the bytes of its system calls.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeFrame } from '../../src/codec/frame.ts'
import type { WireRpc } from '../../src/messages.ts'
import { type RemoteMember, startMember } from '../support/member.ts'
import {
  type Call,
  canTrace,
  descriptorOf,
  readTrace,
  resultOf,
  stringsOf,
} from '../support/strace.ts'
import { until } from '../support/until.ts'

const marker = 'the-value-that-is-looked-for-in-the-trace'

test('a follower syncs its log before its acknowledgement leaves', {
  timeout: 60_000,
}, async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const { members, folder } = await startThree()
  try {
    await members[0]?.put('key', marker)
    // Nothing was written after it.
    const index = (await members[0]?.status())?.lastIndex ?? 0
    const hasApplied = async (n: number): Promise<boolean> =>
      ((await members[n]?.status())?.revision ?? 0) > 0
    for (const n of [1, 2]) await until(() => hasApplied(n), `follower ${n} applies the put`)
    await closeAll(members)
    for (const n of [1, 2]) checkFollower(happeningsIn(join(folder, `trace-${n}`)), index)
  } finally {
    await killAll(members)
    rmSync(folder, { recursive: true, force: true })
  }
})

test('under load, too: between an append and its acknowledgement there is always a sync', {
  timeout: 120_000,
}, async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const { members, folder } = await startThree()
  try {
    const [leader] = members
    const caller = async (n: number): Promise<void> => {
      for (let round = 0; round < roundsUnderLoad; round++) await leader?.put(`key/${n}`, round)
    }
    await Promise.all(Array.from({ length: callersUnderLoad }, (_, n) => caller(n)))
    await closeAll(members)
    for (const n of [1, 2]) {
      const checked = countAcknowledgements(happeningsIn(join(folder, `trace-${n}`)))
      assert.ok(checked >= roundsUnderLoad / 2, `${checked} acknowledgements of follower ${n}`)
    }
  } finally {
    await killAll(members)
    rmSync(folder, { recursive: true, force: true })
  }
})

const callersUnderLoad = 16
const roundsUnderLoad = 30

test('a candidate syncs its term and vote before its vote request leaves', {
  timeout: 60_000,
}, async (t) => {
  if (!canTrace()) return t.skip('strace cannot run here')
  const { members, folder } = await startThree()
  try {
    const old = await members[0]?.status()
    await members[0]?.kill()
    const isNew = (leaderId: string | null): boolean => leaderId !== null && leaderId !== old?.id
    await until(async () => isNew((await members[1]?.status())?.leaderId ?? null), 'another leader')
    await closeAll(members.slice(1))
    const candidacies = [1, 2].map((n) =>
      countCandidacies(happeningsIn(join(folder, `trace-${n}`))),
    )
    assert.ok(
      candidacies.some((count) => count > 0),
      'nobody asked for votes',
    )
  } finally {
    await killAll(members)
    rmSync(folder, { recursive: true, force: true })
  }
})

async function startThree(): Promise<{ members: RemoteMember[]; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-strace-'))
  const calls = 'trace=fdatasync,fsync,pwrite64,pwritev,write,writev,sendto,sendmsg,read,recvfrom'
  const members = [0, 1, 2].map((n) =>
    startMember([
      'strace',
      '-f',
      '-yy',
      '-xx',
      '-s',
      // More than one read takes of so small a load.
      '65536',
      '-o',
      join(folder, `trace-${n}`),
      '-e',
      calls,
    ]),
  )
  const first = await members[0]?.open({ dir: join(folder, '0') })
  for (const n of [1, 2])
    await members[n]?.open({ dir: join(folder, `${n}`), join: [first?.address ?? ''] })
  return { members, folder }
}

async function closeAll(members: readonly RemoteMember[]): Promise<void> {
  for (const member of members) await member.close()
}

async function killAll(members: readonly RemoteMember[]): Promise<void> {
  await Promise.all(members.map((member) => member.kill()))
}

/** One thing that happened, in the order of the trace. */
type Happening =
  | { readonly type: 'received'; readonly bytes: Buffer; readonly rpcs: readonly WireRpc[] }
  | { readonly type: 'synced' }
  | { readonly type: 'sent'; readonly rpc: WireRpc }

/** Acknowledgements of entries before `index` may still be on their way when it comes. */
function checkFollower(happenings: readonly Happening[], index: number): void {
  const received = happenings.findIndex((h) => h.type === 'received' && h.bytes.includes(marker))
  assert.ok(received >= 0, 'the append never came')
  const acknowledged = happenings.findIndex((h, n) => n > received && acknowledges(h, index))
  assert.ok(acknowledged > received, 'no acknowledgement left')
  const between = happenings.slice(received, acknowledged)
  assert.ok(
    between.some(({ type }) => type === 'synced'),
    'acknowledged before the log was synced',
  )
}

/** Checks each that acknowledges more than those before it. */
function countAcknowledgements(happenings: readonly Happening[]): number {
  let count = 0
  let acknowledged = 0
  for (const [n, happening] of happenings.entries()) {
    if (!acknowledges(happening, acknowledged + 1)) continue
    const { matchIndex } = happening.rpc
    const received = happenings.findIndex(
      (h) => h.type === 'received' && h.rpcs.some((rpc) => brings(rpc, matchIndex)),
    )
    assert.ok(received >= 0 && received < n, `entry ${matchIndex} acknowledged before it came`)
    assert.ok(
      happenings.slice(received, n).some(({ type }) => type === 'synced'),
      `entry ${matchIndex} acknowledged before the log was synced`,
    )
    acknowledged = matchIndex
    count++
  }
  return count
}

function brings(rpc: WireRpc, index: number): boolean {
  return rpc.type === 'append' && rpc.entryCount > 0 && rpc.prevIndex + rpc.entryCount >= index
}

function acknowledges(happening: Happening, index: number): happening is Acknowledgement {
  if (happening.type !== 'sent' || happening.rpc.type !== 'appendReply') return false
  return happening.rpc.accepted && happening.rpc.matchIndex >= index
}

interface Acknowledgement {
  readonly type: 'sent'
  readonly rpc: Extract<WireRpc, { type: 'appendReply'; accepted: true }>
}

function countCandidacies(happenings: readonly Happening[]): number {
  let count = 0
  for (const [n, happening] of happenings.entries()) {
    if (happening.type !== 'sent' || happening.rpc.type !== 'vote') continue
    // At the end, one hands over to the other; nobody asks first whether it would be elected.
    if (happening.rpc.isTransfer) continue
    const asked = happenings.findLastIndex(
      (h, at) => at < n && h.type === 'sent' && h.rpc.type === 'preVote',
    )
    if (happenings.slice(asked, n).every(({ type }) => type !== 'synced')) {
      assert.fail('asked for votes before term and vote were synced')
    }
    count++
  }
  return count
}

/** What left counts from where it began; a sync or what was received from where it ended. */
function happeningsIn(file: string): Happening[] {
  const happenings: { at: number; happening: Happening }[] = []
  /** By connection: what came and is no whole frame yet. */
  const streams = new Map<string, Buffer>()
  for (const call of readTrace(file)) {
    const { name, text, begunAt, endedAt } = call
    const isTcp = /^\w+\(\d+<TCP/.test(text)
    if (isTcp && sends.has(name))
      for (const rpc of rpcsOf(framesOf(payloadOf(call)).frames))
        happenings.push({ at: begunAt, happening: { type: 'sent', rpc } })
    if (endedAt === null) continue
    if (/^f(data)?sync\(\d+<[^>]*\/log\/data\.mdb>/.test(text) && resultOf(call) === 0)
      happenings.push({ at: endedAt, happening: { type: 'synced' } })
    if (isTcp && receives.has(name)) {
      const bytes = payloadOf(call)
      const connection = descriptorOf(call)?.path ?? ''
      const { frames, rest } = framesOf(Buffer.concat([streams.get(connection) ?? noBytes, bytes]))
      streams.set(connection, rest)
      happenings.push({ at: endedAt, happening: { type: 'received', bytes, rpcs: rpcsOf(frames) } })
    }
  }
  return happenings.sort((a, b) => a.at - b.at).map(({ happening }) => happening)
}

const sends = new Set(['write', 'writev', 'sendto', 'sendmsg'])
const receives = new Set(['read', 'recvfrom'])

function payloadOf(call: Call): Buffer {
  return Buffer.concat(stringsOf(call))
}

const noBytes = Buffer.alloc(0)

/** WebSocket frames of a client whose mask is all zeros, one after another, and what is no whole one yet. */
function framesOf(bytes: Buffer): { frames: readonly Buffer[]; rest: Buffer } {
  const frames: Buffer[] = []
  let at = 0
  while (bytes[at] === 0x82 && bytes.length >= at + 14) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const length =
      lengthBytes === 0
        ? short
        : bytes.readUIntBE(at + 2 + (lengthBytes === 8 ? 2 : 0), lengthBytes === 8 ? 6 : 2)
    const start = at + 2 + lengthBytes + 4
    if (bytes.length < start + length) break
    frames.push(bytes.subarray(start + 4, start + length))
    at = start + length
  }
  const isFrame = bytes[at] === 0x82
  return { frames, rest: isFrame ? bytes.subarray(at) : noBytes }
}

function rpcsOf(frames: readonly Buffer[]): readonly WireRpc[] {
  return frames.flatMap((frame) => tryDecode(frame) ?? [])
}

/** Handshake messages, and frames that strace cut, are no RPCs. */
function tryDecode(frame: Buffer): WireRpc | null {
  try {
    return decodeFrame(Uint8Array.from(frame))
  } catch {
    return null
  }
}
