/**
 * Shows how far a long piece of work is, on stderr so that stdout stays a report. On a terminal one
 * line is written over and over; elsewhere (a pipe, a CI log) plain lines come now and then.
 */

export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface ProgressState {
  readonly label: string
  readonly unit: string
  readonly done: number
  readonly total: number
  readonly elapsedMs: number
}

/** A terminal line is rewritten at most this often. */
const redrawMs = 100
/** Elsewhere a line comes after this time … */
const lineMs = 2_000
/** … or after this part of the work, whichever is first … */
const linePart = 0.1
/** … but not in quick succession. */
const lineMsMin = 250
const barWidthMax = 30
/** Back to the first column, and clear to the end of the line. */
const rewind = '\r\u001b[K'

export class Progress {
  readonly #label: string
  readonly #unit: string
  readonly #output: ProgressOutput
  readonly #now: () => number
  readonly #startMs: number
  #shownMs: number
  #shownDone = 0
  #done = 0
  #total = 0

  constructor(
    label: string,
    unit: string,
    output: ProgressOutput = process.stderr,
    now: () => number = () => performance.now(),
  ) {
    this.#label = label
    this.#unit = unit
    this.#output = output
    this.#now = now
    this.#startMs = now()
    this.#shownMs = this.#startMs
  }

  update(done: number, total: number): void {
    this.#done = done
    this.#total = total
    if (this.#due()) this.#show()
  }

  /** Something worth a line of its own, in the middle of the work. */
  note(text: string): void {
    this.#output.write(this.#output.isTTY ? `${rewind}${text}\n` : `${text}\n`)
  }

  /** Makes room for something that is written to the same terminal; the next state shows it again. */
  hide(): void {
    if (this.#output.isTTY) this.#output.write(rewind)
  }

  /** The last state, left standing. */
  end(): void {
    if (this.#shownDone < this.#done || this.#done === 0 || this.#output.isTTY) this.#show()
    if (this.#output.isTTY) this.#output.write('\n')
  }

  #due(): boolean {
    const quietMs = this.#now() - this.#shownMs
    if (this.#output.isTTY) return quietMs >= redrawMs
    if (quietMs < lineMsMin) return false
    return quietMs >= lineMs || this.#done - this.#shownDone >= this.#total * linePart
  }

  #show(): void {
    this.#shownMs = this.#now()
    this.#shownDone = this.#done
    const line = this.#line()
    this.#output.write(this.#output.isTTY ? rewind + line : `${line}\n`)
  }

  #line(): string {
    const state: ProgressState = {
      label: this.#label,
      unit: this.#unit,
      done: this.#done,
      total: this.#total,
      elapsedMs: this.#shownMs - this.#startMs,
    }
    if (!this.#output.isTTY) return renderLine(state)
    // A line that wraps cannot be rewritten.
    return renderBar(state).slice(0, (this.#output.columns ?? 80) - 1)
  }
}

/** `loading  [█████░░░░░]  512/1,317 files  38 %  20,480/s  0.1 s left` */
export function renderBar(state: ProgressState): string {
  const filled = Math.round(part(state) * barWidthMax)
  const bar = '█'.repeat(filled) + '░'.repeat(barWidthMax - filled)
  return `${state.label.padEnd(9)} ${bar} ${renderNumbers(state)}`
}

export function renderLine(state: ProgressState): string {
  return `${state.label}: ${renderNumbers(state)}`
}

function renderNumbers(state: ProgressState): string {
  const { done, total, elapsedMs, unit } = state
  const perSecond = elapsedMs === 0 ? 0 : (done * 1_000) / elapsedMs
  const counts = `${count(done)}/${count(total)} ${unit}  ${Math.floor(part(state) * 100)} %`
  const rate = `${count(Math.round(perSecond))}/s`
  if (done >= total || perSecond === 0) return `${counts}  ${rate}`
  return `${counts}  ${rate}  ${((total - done) / perSecond).toFixed(1)} s left`
}

function part({ done, total }: ProgressState): number {
  return total === 0 ? 1 : Math.min(1, done / total)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
