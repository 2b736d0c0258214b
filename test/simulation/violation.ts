/** A broken promise. */
export class Violation extends Error {
  override readonly name = 'Violation'
  readonly rule: string

  constructor(rule: string, details: string) {
    super(`${rule}: ${details}`)
    this.rule = rule
  }
}

/** Thrown where a node dies within a turn. */
export class Death extends Error {}
