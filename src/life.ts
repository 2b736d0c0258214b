/**
 * Whether a node lives, and of what it has died. The first failure, of an actor or of the node itself, is the
 * reason that everybody hears from then on; what fails in its wake tells nobody anything.
 */
import { failureOf, type Outcome, SkiffError } from './errors.ts'

export class Life {
  #stage: 'starting' | 'running' | 'stopped' = 'starting'
  #failure: SkiffError | null = null
  #die: (error: SkiffError) => void = () => undefined
  readonly #died: () => void
  /** Rejects with the first failure; never resolves. */
  readonly #death: Promise<never>

  /** `died` is called if it fails while it runs. While it starts, whoever starts it hears of it. */
  constructor(died: () => void) {
    this.#died = died
    this.#death = new Promise((_, reject) => {
      this.#die = reject
    })
    // Nobody may be waiting when it happens.
    this.#death.catch(() => undefined)
  }

  get isRunning(): boolean {
    return this.#stage === 'running'
  }

  get isOver(): boolean {
    return this.#stage === 'stopped'
  }

  get failure(): SkiffError | null {
    return this.#failure
  }

  run(): void {
    this.#stage = 'running'
  }

  end(): void {
    this.#stage = 'stopped'
  }

  /** Rejects when an actor dies before it answers; comlink alone would wait forever. */
  unlessDead<T>(answer: Promise<T>): Promise<T> {
    return Promise.race([this.#death, answer])
  }

  failed(error: unknown): void {
    if (this.#failure !== null || this.isOver) return
    this.#failure = failureOf(error)
    this.#die(this.#failure)
    if (this.isRunning) this.#died()
  }

  /** One step of its end. Whatever it throws, the others follow, and status() says why. */
  async release(step: () => unknown): Promise<void> {
    try {
      await step()
    } catch (error) {
      this.#failure ??= failureOf(error)
    }
  }

  /** What callers are told who come, or still wait, when it has ended. */
  ended(outcome: Outcome): SkiffError {
    if (this.#failure === null) return new SkiffError('SKIFF_CLOSED', outcome, 'the node is closed')
    const { code, message } = this.#failure
    return new SkiffError(code, outcome, message, { cause: this.#failure })
  }
}
