/** Broken promises, as they are found. The first one ends the run. */
import { setTimeout as pause } from 'node:timers/promises'

export interface Complaint {
  readonly rule: string
  readonly details: string
}

/** What cannot be waited for any longer. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
  readonly rule: string

  constructor(rule: string, details: string) {
    super(`${rule}: ${details}`)
    this.rule = rule
  }
}

export class Complaints {
  readonly #found: Complaint[] = []
  #hear: () => void = () => undefined
  /** Resolves with the first one. */
  readonly any: Promise<void> = new Promise((resolve) => {
    this.#hear = resolve
  })

  get found(): readonly Complaint[] {
    return this.#found
  }

  add(rule: string, details: string): void {
    this.#found.push({ rule, details })
    this.#hear()
  }
}

/** Long enough for a machine under stress; nothing waits for it unless it fails. */
const capMs = 60_000
const pollMs = 20

/** @throws BrokenPromise of this rule when it has not come true within the cap */
export async function promised(
  rule: string,
  condition: () => boolean | Promise<boolean>,
  details: () => string = () => 'never',
): Promise<void> {
  if (!(await within(capMs, condition)))
    throw new BrokenPromise(rule, `${details()}, for ${capMs} ms`)
}

/** @throws BrokenPromise of this rule when it rejects, or has not resolved within the cap */
export async function kept<T>(rule: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing for ${capMs} ms`)), capMs)
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw new BrokenPromise(rule, String(error))
  } finally {
    clearTimeout(timer)
  }
}

/** Whether it came true. */
export async function within(
  ms: number,
  condition: () => boolean | Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > deadline) return false
    await pause(pollMs)
  }
  return true
}
