/** Numbers on the command line of a program. */

/** Where it is not one that will do, says how the program is used, and ends it. */
export function numberFrom(text: string, usage: string, isValid: (n: number) => boolean): number {
  const number = Number(text)
  if (isValid(number)) return number
  console.error(usage)
  process.exit(2)
}

/** A whole one, from `least` on. */
export function wholeFrom(text: string, usage: string, least = 1): number {
  return numberFrom(text, usage, (n) => Number.isSafeInteger(n) && n >= least)
}
