/**
 * Feeds frames to the decoder. Whatever they are, it either calls them malformed or makes a message of
 * them that means the same when it is sent on; it neither hangs, nor keeps what it was given.
 */
import assert from 'node:assert/strict'
import { isAddress } from '../../src/address.ts'
import { readCommands } from '../../src/codec/command.ts'
import { decodeFrame, encodeFrame } from '../../src/codec/frame.ts'
import { MalformedFrame } from '../../src/codec/malformed.ts'
import { unpackEntries } from '../../src/codec/record.ts'
import type { WireRpc } from '../../src/messages.ts'
import { decodeConfiguration } from '../../src/raft/membership.ts'
import { isNodeId } from '../../src/raft/types.ts'
import { FrameGenerator, frameKinds, type Input } from './generate.ts'
import { heldBytes } from './memory.ts'
import { threadMs } from './processor.ts'
import { type KindReport, newReports, Offence, residentBytesMax, turnMsMax } from './report.ts'

/** What a run may leave behind: less than half of the frames of the shortest run. */
const decoderBytesMax = 2 * 2 ** 20
/** Inputs that are tried before the memory is looked at. */
const warmUpInputs = 2_000
/** Inputs between two looks at the memory. */
const inputsPerLook = 5_000

/** @throws Offence at the first promise that is broken */
export function attackDecoder(seed: number, inputs: number): ReadonlyMap<string, KindReport> {
  const generator = new FrameGenerator(seed)
  const reports = newReports(frameKinds)
  // What msgpackr and the compiler take once, and keep.
  const first = new FrameGenerator(seed)
  for (let n = 0; n < warmUpInputs; n++) isAccepted(first.next().bytes)
  const heldBefore = heldBytes()
  const residentBefore = process.memoryUsage.rss()
  for (let n = 0; n < inputs; n++) {
    const input = generator.next()
    const report = reports.get(input.kind)
    assert.ok(report !== undefined)
    try {
      tryOne(input, report)
      if (n % inputsPerLook === 0) assertResident(residentBefore)
    } catch (error) {
      throw new Offence(seed, input, error)
    }
  }
  const grown = heldBytes() - heldBefore
  assert.ok(
    grown <= decoderBytesMax,
    `seed ${seed}: ${grown} bytes are held after ${inputs} inputs`,
  )
  return reports
}

function tryOne(input: Input, report: KindReport): void {
  const started = performance.now()
  const accepted = isAccepted(input.bytes)
  const ms = performance.now() - started
  if (ms > turnMsMax) assertQuick(input.bytes)
  if (input.kind === 'valid') assert.ok(accepted, 'a valid frame is refused')
  report.inputs++
  report.ms += ms
  if (accepted) report.accepted++
}

/** Accepted: a message whose encoding is what it is decoded from, from then on. */
function isAccepted(frame: Uint8Array): boolean {
  let again: Uint8Array
  try {
    const rpc = decodeFrame(frame)
    assertApplicable(rpc)
    again = encodeFrame(rpc)
  } catch (error) {
    if (error instanceof MalformedFrame) return false
    throw error
  }
  const third = encodeFrame(decodeFrame(again))
  assert.ok(Buffer.compare(again, third) === 0, `it became ${Buffer.from(third).toString('hex')}`)
  return true
}

/** What may enter a log can be read out of it again, by code that only asserts. */
function assertApplicable(rpc: WireRpc): void {
  if (rpc.type === 'forward') assert.ok(readCommands(rpc.batch).length > 0)
  if (rpc.type !== 'append') return
  for (const { type, bytes } of unpackEntries(rpc.entries, rpc.entryCount)) {
    if (type === 'batch') assert.ok(readCommands(bytes).length > 0)
    if (type !== 'membership') continue
    const members = decodeConfiguration(bytes).members
    assert.ok(members.every(({ id, address }) => isNodeId(id) && isAddress(address)))
  }
}

/** On the wall it took too long: was it the input, or the rest of the machine? */
function assertQuick(frame: Uint8Array): void {
  const started = threadMs()
  isAccepted(frame)
  const ms = threadMs() - started
  assert.ok(ms <= turnMsMax, `it takes ${ms} ms, at most ${turnMsMax} are allowed`)
}

function assertResident(before: number): void {
  const grown = process.memoryUsage.rss() - before
  assert.ok(grown <= residentBytesMax, `the process grew by ${grown} bytes`)
}
