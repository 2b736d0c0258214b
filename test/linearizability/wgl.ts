/**
 * Is there an order of these operations that explains every answer and respects real time? The search of
 * Wing and Gong (1993) with the memory of Lowe (2017), as in anishathalye/porcupine: take any operation
 * called before the first return that is still unexplained, step the model, go on; at a dead end undo
 * the last one and try another. What was tried once (set of operations taken, state) is not tried again.
 *
 * Judges the operations on one key (judge.ts cuts the history up: the keys are independent, so each must
 * be linearizable alone, and together they then are). Exponential at worst, hence the limits: beyond them
 * the verdict is `undecided`, which is never a pass.
 */
import { assert } from '../../src/raft/assert.ts'
import { type Operation, returnOf } from './history.ts'
import { absent, compile, impossible, isRead, next, type Steps } from './model.ts'
import { settle } from './settle.ts'

export type Verdict = 'legal' | 'illegal' | 'undecided'

/** Configurations remembered for one key: some hundred bytes each. */
export const configurationsMax: number = 2_000_000
/** Steps between two looks at the clock. */
const stepsPerLook = 1_024

/** `deadline` in terms of performance.now(). */
export function searchOrder(operations: readonly Operation[], deadline: number): Verdict {
  return new Search(operations).run(deadline)
}

/** No node. */
const none = -1

/**
 * Two rings of nodes. The timeline holds the calls and returns of all that was answered, by time. Writes
 * never answered have no return: they wait in a ring of their own and are tried last, where they explain
 * what nothing else does.
 */
class Search {
  readonly #steps: Steps
  /** By node, as all that follow. */
  readonly #next: Int32Array
  readonly #previous: Int32Array
  readonly #time: Float64Array
  /** Which operation it belongs to. */
  readonly #operation: Int32Array
  /** Of a call that was answered, its return; else `none`. */
  readonly #returnNode: Int32Array
  readonly #isReturn: Uint8Array
  readonly #timelineHead: number
  readonly #waitingHead: number
  readonly #answeredCount: number
  readonly #taken: TakenSet
  readonly #configurations = new Set<string>()
  /** What was taken, to be undone: call nodes, and the states before them. */
  readonly #nodes: number[] = []
  readonly #states: number[] = []
  #state = absent
  /** Answered operations not taken yet. */
  #remaining: number

  constructor(unsorted: readonly Operation[]) {
    const byCall = settle(unsorted).toSorted((a, b) => a.call - b.call)
    const answered = byCall.filter((operation) => operation.return !== null)
    const waiting = byCall.filter((operation) => operation.return === null)
    const size = 2 * answered.length + waiting.length + 2
    this.#steps = compile([...answered, ...waiting])
    this.#next = new Int32Array(size)
    this.#previous = new Int32Array(size)
    this.#time = new Float64Array(size)
    this.#operation = new Int32Array(size).fill(none)
    this.#returnNode = new Int32Array(size).fill(none)
    this.#isReturn = new Uint8Array(size)
    this.#timelineHead = size - 2
    this.#waitingHead = size - 1
    this.#answeredCount = answered.length
    this.#remaining = answered.length
    this.#taken = new TakenSet(answered.length, waiting.length)
    this.#link(this.#timelineHead, this.#placeAnswered(answered))
    this.#link(this.#waitingHead, this.#placeWaiting(waiting))
  }

  run(deadline: number): Verdict {
    let candidate = this.#following(this.#timelineHead)
    for (let step = 1; this.#remaining > 0; step++) {
      if (candidate !== none) {
        candidate = this.#following(this.#take(candidate) ? this.#timelineHead : candidate)
      } else {
        const undone = this.#undo()
        if (undone === none) return 'illegal'
        // A read that fits may as well come at once: what fails with it fails without it.
        candidate = isRead(this.#steps, this.#operationOf(undone)) ? none : this.#following(undone)
      }
      if (step % stepsPerLook === 0 && performance.now() > deadline) return 'undecided'
      if (this.#configurations.size > configurationsMax) return 'undecided'
    }
    return 'legal'
  }

  /** The candidate after `node`: calls before the first return, then what waits. */
  #following(node: number): number {
    if (this.#isWaiting(node)) return this.#followingWaiting(node)
    const candidate = at(this.#next, node)
    return this.#isCall(candidate) ? candidate : this.#followingWaiting(this.#waitingHead)
  }

  #followingWaiting(node: number): number {
    let candidate = at(this.#next, node)
    while (candidate !== this.#waitingHead && this.#hasEqualBefore(candidate))
      candidate = at(this.#next, candidate)
    if (candidate === this.#waitingHead) return none
    return (this.#time[candidate] ?? 0) <= this.#firstReturnTime() ? candidate : none
  }

  /** Of several that wait to do the same, whichever was called first may as well be the one that does. */
  #hasEqualBefore(node: number): boolean {
    const makes = this.#steps.makes[this.#operationOf(node)]
    let other = at(this.#previous, node)
    while (other !== this.#waitingHead && this.#steps.makes[this.#operationOf(other)] !== makes)
      other = at(this.#previous, other)
    return other !== this.#waitingHead
  }

  #firstReturnTime(): number {
    let node = at(this.#next, this.#timelineHead)
    while (this.#isCall(node)) node = at(this.#next, node)
    return this.#time[node] ?? 0
  }

  /** Takes the operation as the next one, unless it does not fit or that was tried before. */
  #take(node: number): boolean {
    const operation = this.#operationOf(node)
    const state = next(this.#steps, operation, this.#state)
    if (state === impossible) return false
    this.#taken.add(operation)
    const configuration = this.#taken.describe(state)
    if (this.#configurations.has(configuration)) {
      this.#taken.remove(operation)
      return false
    }
    this.#configurations.add(configuration)
    this.#nodes.push(node)
    this.#states.push(this.#state)
    this.#state = state
    this.#lift(node)
    return true
  }

  /** The call node of what was taken last, which is not taken any more; `none` if nothing was. */
  #undo(): number {
    const node = this.#nodes.pop()
    const state = this.#states.pop()
    if (node === undefined || state === undefined) return none
    this.#taken.remove(this.#operationOf(node))
    this.#state = state
    this.#putBack(node)
    return node
  }

  #lift(node: number): void {
    const returnNode = at(this.#returnNode, node)
    this.#unlink(node)
    if (returnNode === none) return
    this.#unlink(returnNode)
    this.#remaining--
  }

  /** Exactly backwards, as a lifted node remembers its neighbours of that moment. */
  #putBack(node: number): void {
    const returnNode = at(this.#returnNode, node)
    if (returnNode !== none) {
      this.#relink(returnNode)
      this.#remaining++
    }
    this.#relink(node)
  }

  #unlink(node: number): void {
    const [before, after] = [at(this.#previous, node), at(this.#next, node)]
    this.#next[before] = after
    this.#previous[after] = before
  }

  #relink(node: number): void {
    this.#next[at(this.#previous, node)] = node
    this.#previous[at(this.#next, node)] = node
  }

  /** Nodes from 0 on, by time; at the same moment calls first, as such operations are concurrent. */
  #placeAnswered(answered: readonly Operation[]): number[] {
    const events = answered.flatMap((operation, n) => [
      { n, time: operation.call, isReturn: 0 },
      { n, time: returnOf(operation), isReturn: 1 },
    ])
    events.sort((a, b) => a.time - b.time || a.isReturn - b.isReturn)
    const callNodes = new Int32Array(answered.length)
    for (const [node, { n, time, isReturn }] of events.entries()) {
      this.#time[node] = time
      this.#operation[node] = n
      this.#isReturn[node] = isReturn
      if (isReturn === 0) callNodes[n] = node
      else this.#returnNode[at(callNodes, n)] = node
    }
    return [...events.keys()]
  }

  #placeWaiting(waiting: readonly Operation[]): number[] {
    return waiting.map(({ call }, n) => {
      const node = 2 * this.#answeredCount + n
      this.#time[node] = call
      this.#operation[node] = this.#answeredCount + n
      return node
    })
  }

  #link(head: number, nodes: readonly number[]): void {
    const ring = [head, ...nodes, head]
    for (const [n, node] of nodes.entries()) {
      this.#previous[node] = ring[n] ?? head
      this.#next[node] = ring[n + 2] ?? head
    }
    this.#next[head] = nodes[0] ?? head
    this.#previous[head] = nodes.at(-1) ?? head
  }

  #isCall(node: number): boolean {
    return node !== this.#timelineHead && this.#isReturn[node] === 0
  }

  #isWaiting(node: number): boolean {
    return node >= 2 * this.#answeredCount && node !== this.#timelineHead
  }

  #operationOf(node: number): number {
    return at(this.#operation, node)
  }
}

function at(array: Int32Array, n: number): number {
  const value = array[n]
  assert(value !== undefined, `no element ${n} of ${array.length}`)
  return value
}

const wordBits = 32
const fullWord = 0xffff_ffff

/**
 * Which operations were taken. Those that wait have the first words. Of the others, which are numbered by
 * their calls, nearly all before some point are taken and none behind another: only the words between are
 * written into a description, so that it stays short however long the history.
 */
class TakenSet {
  readonly #words: Uint32Array
  readonly #answeredCount: number
  /** Words before it belong to what waits. */
  readonly #firstWord: number
  /** From `firstWord` up to here all words are full. */
  #from: number
  /** All words behind it are empty. */
  #to: number

  constructor(answeredCount: number, waitingCount: number) {
    this.#firstWord = Math.ceil(waitingCount / wordBits)
    this.#words = new Uint32Array(this.#firstWord + Math.ceil(answeredCount / wordBits) + 1)
    this.#answeredCount = answeredCount
    this.#from = this.#firstWord
    this.#to = this.#firstWord
  }

  add(operation: number): void {
    const bit = this.#bitOf(operation)
    const word = Math.floor(bit / wordBits)
    this.#words[word] = ((this.#words[word] ?? 0) | (1 << (bit % wordBits))) >>> 0
    this.#to = Math.max(this.#to, word)
    while (this.#words[this.#from] === fullWord) this.#from++
  }

  remove(operation: number): void {
    const bit = this.#bitOf(operation)
    const word = Math.floor(bit / wordBits)
    this.#words[word] = ((this.#words[word] ?? 0) & ~(1 << (bit % wordBits))) >>> 0
    if (word >= this.#firstWord) this.#from = Math.min(this.#from, word)
    while (this.#to > this.#firstWord && this.#words[this.#to] === 0) this.#to--
  }

  /** The same for the same set and state, and only for them. */
  describe(state: number): string {
    let text = `${state} ${this.#from}`
    for (let n = 0; n < this.#firstWord; n++) text += ` ${this.#words[n]}`
    for (let n = this.#from; n <= this.#to; n++) text += ` ${this.#words[n]}`
    return text
  }

  #bitOf(operation: number): number {
    const waiting = operation - this.#answeredCount
    return waiting >= 0 ? waiting : this.#firstWord * wordBits + operation
  }
}
