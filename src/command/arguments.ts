/** What the words after `skiff` mean. */
import { parseArgs } from 'node:util'

export type Arguments =
  | {
      readonly type: 'backup'
      readonly dir: string
      readonly file: string
      readonly overwrite: boolean
    }
  | { readonly type: 'check'; readonly file: string }
  | {
      readonly type: 'restore'
      readonly file: string
      readonly dir: string
      readonly bump: number | null
    }
  | {
      readonly type: 'recover'
      readonly dirs: readonly string[]
      readonly write: string | null
      readonly bump: number | null
    }
  | { readonly type: 'help'; readonly command: CommandName | null }
  | { readonly type: 'version' }
  | { readonly type: 'invalid'; readonly command: CommandName | null; readonly reason: string }

export const commandNames = ['backup', 'check', 'restore', 'recover'] as const
export type CommandName = (typeof commandNames)[number]

/** Of every command; which of them one takes is in `taken`. */
const options = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
  json: { type: 'boolean' },
  overwrite: { type: 'boolean' },
  write: { type: 'string' },
  'revision-bump': { type: 'string' },
} as const
type Values = ReturnType<typeof parseWords>['values']

const taken: Record<CommandName, readonly string[]> = {
  backup: ['overwrite'],
  check: [],
  restore: ['revision-bump'],
  recover: ['write', 'revision-bump'],
}

export interface Parsed {
  readonly args: Arguments
  /** One JSON object on stdout instead of words. */
  readonly json: boolean
}

export function parseArguments(words: readonly string[]): Parsed {
  // Known also where the words are wrong, so that whoever reads JSON is answered in it.
  const json = words.includes('--json')
  try {
    return { args: parse(words), json }
  } catch (error) {
    if (!isArgumentError(error)) throw error
    return { args: { type: 'invalid', command: commandAmong(words), reason: error.message }, json }
  }
}

function parse(words: readonly string[]): Arguments {
  const { values, positionals } = parseWords(words)
  const [first, ...rest] = positionals
  if (values.version) return { type: 'version' }
  if (first === undefined || first === 'help') return { type: 'help', command: helpOn(rest) }
  const command = commandNames.find((name) => name === first)
  if (command === undefined) throw new ArgumentError(`there is no command ${first}`)
  if (values.help) return { type: 'help', command }
  checkTaken(command, values)
  return parseCommand(command, rest, values)
}

function parseCommand(command: CommandName, rest: readonly string[], values: Values): Arguments {
  switch (command) {
    case 'backup': {
      const [dir, file] = exactly(rest, 'DIR', 'FILE')
      return { type: command, dir, file, overwrite: values.overwrite ?? false }
    }
    case 'check': {
      const [file] = exactly(rest, 'FILE')
      return { type: command, file }
    }
    case 'restore': {
      const [file, dir] = exactly(rest, 'FILE', 'DIR')
      return { type: command, file, dir, bump: bumpOf(values) }
    }
    case 'recover': {
      if (rest.length === 0) throw new ArgumentError('expected DIR …')
      return { type: command, dirs: rest, write: values.write ?? null, bump: bumpOf(values) }
    }
  }
}

function parseWords(words: readonly string[]) {
  return parseArgs({ args: [...words], allowPositionals: true, options })
}

function exactly<Names extends readonly string[]>(
  words: readonly string[],
  ...names: Names
): { readonly [Name in keyof Names]: string } {
  const isRight = words.length === names.length && words.every((word) => word !== '')
  if (!isRight) {
    const got = words.map((word) => word || "''").join(' ') || 'nothing'
    throw new ArgumentError(`expected ${names.join(' ')}, got ${got}`)
  }
  return words as { readonly [Name in keyof Names]: string }
}

function bumpOf(values: Values): number | null {
  const word = values['revision-bump']
  if (word === undefined) return null
  if (/^\d{1,12}$/.test(word)) return Number(word)
  throw new ArgumentError(`--revision-bump: expected a whole number, got ${word}`)
}

function checkTaken(command: CommandName, values: Values): void {
  for (const name of Object.keys(values)) {
    if (name === 'json' || taken[command].includes(name)) continue
    throw new ArgumentError(`${command} takes no --${name}`)
  }
}

function helpOn([name]: readonly string[]): CommandName | null {
  if (name === undefined) return null
  const command = commandNames.find((each) => each === name)
  if (command === undefined) throw new ArgumentError(`there is no command ${name}`)
  return command
}

function commandAmong(words: readonly string[]): CommandName | null {
  return commandNames.find((name) => words.includes(name)) ?? null
}

/** A fault of the person who typed, to be answered with the usage and not with a stack. */
class ArgumentError extends Error {}

function isArgumentError(error: unknown): error is Error {
  if (error instanceof ArgumentError) return true
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  )
}
