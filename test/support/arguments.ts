/** The command line of a program. Where it makes no sense, it says so and how the program is used, and ends with code 2. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>
type Arguments<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: boolean }>
>

/** `--help` is known to every program. */
export function readArguments<const T extends Options>(
  usage: string,
  options: T,
  { allowPositionals = false }: { readonly allowPositionals?: boolean } = {},
): Arguments<T> {
  if (process.argv.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs({ options, allowPositionals })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return refuse(error.message, usage)
  }
}

export function numberFrom(
  text: string,
  usage: string,
  expected: string,
  isValid: (n: number) => boolean,
): number {
  const number = Number(text)
  return isValid(number) ? number : refuse(`expected ${expected}, got '${text}'`, usage)
}

/** A whole one, from `least` on. */
export function wholeFrom(text: string, usage: string, least = 1): number {
  const isWhole = (n: number): boolean => Number.isSafeInteger(n) && n >= least
  return numberFrom(text, usage, `a whole number from ${least} on`, isWhole)
}

export function refuse(reason: string, usage: string): never {
  console.error(`${reason}\n${usage}`)
  process.exit(2)
}
