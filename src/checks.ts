/** Checks of what callers pass. What is of the wrong kind is a TypeError that names it. */

/**
 * An option that is misspelt would be one that is not there: refused, for what it would have asked for.
 * @throws TypeError
 */
export function checkFields(
  value: object | undefined,
  name: string,
  fields: readonly string[],
): void {
  if (value === undefined) return
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name}: expected an object, got ${describe(value)}`)
  }
  for (const field of Object.keys(value)) {
    if (fields.includes(field)) continue
    throw new TypeError(
      `${name}: there is no ${JSON.stringify(field)}; known are ${fields.join(', ')}`,
    )
  }
}

export function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`${name}: expected a non-empty string, got ${describe(value)}`)
  }
  return value
}

export function integer(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new TypeError(`${name}: expected an integer in [${min}, ${max}], got ${describe(value)}`)
  }
  return value
}

export function oneOf<T extends string>(value: T, name: string, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new TypeError(`${name}: expected one of ${allowed.join(', ')}, got ${describe(value)}`)
}

export function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
