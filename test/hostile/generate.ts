/**
 * Frames for the decoder, from a seed alone: valid ones, and valid ones broken in every way we can think
 * of, with an eye for their structure. Random bytes are one kind of many; few of them get past the first
 * check.
 */
import { encodeFrame } from '../../src/codec/frame.ts'
import { packEntries } from '../../src/codec/record.ts'
import { Random } from '../simulation/random.ts'
import { absurdNumber, anyMessage, packedElements } from './messages.ts'

export interface Input {
  readonly kind: string
  readonly bytes: Uint8Array
}

type Breaker = (random: Random, frame: Buffer, pool: readonly Buffer[]) => Uint8Array

/** Bytes of the random inputs, at most. */
const randomBytesMax = 200

/** Heads of MessagePack elements that announce a length, or nest. */
const announcingHeads = [
  0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd4, 0xd8, 0xd9, 0xda,
  0xdb, 0xdc, 0xdd, 0xde, 0xdf,
]
const lengths: readonly Buffer[] = [
  '00',
  'ff',
  '0000',
  'ffff',
  '7fff',
  '00000000',
  'ffffffff',
  '7fffffff',
  '80000000',
  '00800000',
  'ffffffffffffffff',
].map((hex) => Buffer.from(hex, 'hex'))

const breakers: Readonly<Record<string, Breaker>> = {
  valid: (_random, frame) => frame,
  'random bytes': (random) => randomBytes(random, random.below(randomBytesMax)),
  'random fields': (random) =>
    Buffer.concat([
      Buffer.of(1, 0x90 + random.below(16), random.below(24)),
      randomBytes(random, random.below(60)),
    ]),
  truncated: (random, frame) => frame.subarray(0, random.below(frame.length)),
  'flipped bits': flipBits,
  edited: edit,
  'lying lengths': lieAboutLength,
  nested: nest,
  'unknown type': unknownType,
  'absurd numbers': absurdNumbers,
  spliced: splice,
  'broken entries': breakEntries,
  'broken payloads': breakPayloads,
}

export const frameKinds: readonly string[] = Object.keys(breakers)

/** An endless stream of frames, each of every kind in turn. */
export class FrameGenerator {
  readonly #random: Random
  readonly #pool: readonly Buffer[]
  #made = 0

  /** `poolSize`: valid frames that the others are made of. */
  constructor(seed: number, poolSize = 400) {
    this.#random = new Random(seed)
    this.#pool = Array.from({ length: poolSize }, () =>
      Buffer.from(encodeFrame(anyMessage(this.#random))),
    )
  }

  next(): Input {
    const kind = frameKinds[this.#made % frameKinds.length] ?? ''
    this.#made++
    return { kind, bytes: this.make(kind) }
  }

  make(kind: string): Uint8Array {
    const breaker = breakers[kind]
    if (breaker === undefined) throw new RangeError(`no such kind of frame: ${kind}`)
    return breaker(this.#random, this.#random.pick(this.#pool), this.#pool)
  }
}

export function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) bytes[at] = random.below(256)
  return bytes
}

export function flipBits(random: Random, frame: Uint8Array): Buffer {
  const broken = Buffer.from(frame)
  for (let flips = random.between(1, 4); flips > 0; flips--) {
    const at = random.below(broken.length)
    broken[at] = (broken[at] ?? 0) ^ (1 << random.below(8))
  }
  return broken
}

/** Takes some bytes out and puts others in their place. */
export function edit(random: Random, frame: Uint8Array): Buffer {
  const start = random.below(frame.length + 1)
  const end = Math.min(frame.length, start + random.below(6))
  const inserted = randomBytes(random, random.below(6))
  return Buffer.concat([frame.subarray(0, start), inserted, frame.subarray(end)])
}

/** Somewhere an element begins that announces much more, or less, than there is. */
function lieAboutLength(random: Random, frame: Buffer): Buffer {
  const at = random.between(1, frame.length)
  const head = Buffer.of(random.pick(announcingHeads))
  const rest = frame.subarray(random.chance(0.5) ? at : Math.min(frame.length, at + 5))
  return Buffer.concat([frame.subarray(0, at), head, random.pick(lengths), rest])
}

/** Arrays within arrays, or maps within maps: recursion, for whoever reads them so. */
function nest(random: Random, frame: Buffer): Buffer {
  const depth = random.pick([2, 10, 100, 2_000])
  const level = random.pick(['91', '8101', '81a161', 'dd00000001', 'c70191'])
  const nested = Buffer.from(level.repeat(depth), 'hex')
  const before = random.chance(0.5) ? frame.subarray(0, 1) : frame.subarray(0, 4)
  return Buffer.concat([before, nested, Buffer.of(0xc0)])
}

function unknownType(random: Random, frame: Buffer): Buffer {
  const broken = Buffer.from(frame)
  const [version, head, code] = [random.below(256), random.below(256), random.below(256)]
  const which = random.below(3)
  if (which === 0) broken[0] = version
  else if (which === 1) broken[1] = head
  else broken[2] = code
  return broken
}

/** The right type and number of fields, some of them of the wrong kind or beyond belief. */
function absurdNumbers(random: Random): Buffer {
  const code = random.between(1, 18)
  const fields = Array.from({ length: random.between(1, 6) }, () => absurdNumber(random))
  return Buffer.concat([Buffer.of(1), packedElements([Buffer.of(code), ...fields])])
}

function splice(random: Random, frame: Buffer, pool: readonly Buffer[]): Buffer {
  const other = random.pick(pool)
  return Buffer.concat([
    frame.subarray(0, random.below(frame.length)),
    other.subarray(random.below(other.length)),
  ])
}

/** An append whose block of records is damaged behind a header that is not. */
function breakEntries(random: Random): Uint8Array {
  const index = random.pick([1, 8, 2 ** 32, 2 ** 53 - 6])
  const records = Array.from({ length: random.between(1, 3) }, (_, n) => ({
    index: index + n * random.pick([0, 1, 1, 2]),
    term: random.between(0, 4),
    type: 'noop' as const,
    bytes: new Uint8Array(),
  }))
  const block = packEntries(records)
  const entries = random.chance(0.5) ? block : edit(random, flipBits(random, block))
  return append(random, index - 1, entries, random.chance(0.8) ? records.length : 128)
}

/** Records that are whole, and hold what no state machine could apply. */
function breakPayloads(random: Random): Uint8Array {
  const type = random.pick(['noop', 'membership', 'batch'] as const)
  const bytes = random.pick([randomPayload, madeUpMembers, nestedLists])(random)
  const entries = packEntries([{ index: 8, term: 1, type, bytes }])
  return append(random, 7, entries, 1)
}

function randomPayload(random: Random): Buffer {
  return randomBytes(random, random.below(60))
}

/** A membership is JSON. */
function nestedLists(random: Random): Buffer {
  return Buffer.alloc(random.pick([10, 3_000, 100_000]), random.pick(['[', '{"a":', '[[0],']))
}

function madeUpMembers(random: Random): Buffer {
  const texts = ['', 'x', '0123456789abcdef', '10.0.0.1:7000', 'voter', 'learner', 7, null, []]
  const row = () => Array.from({ length: random.between(2, 4) }, () => random.pick(texts))
  return Buffer.from(JSON.stringify(Array.from({ length: random.below(10) }, row)))
}

function append(
  random: Random,
  prevIndex: number,
  entries: Uint8Array,
  entryCount: number,
): Uint8Array {
  const [term, prevTerm, commitIndex] = [random.between(1, 4), random.below(2), random.below(10)]
  return encodeFrame({
    type: 'append',
    term,
    prevIndex,
    prevTerm,
    commitIndex,
    entryCount,
    entries,
  })
}
