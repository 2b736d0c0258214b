import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseStartArguments } from '../../src/cli/arguments.ts'

test('without words the job runs on the checkout with temporary data', () => {
  assert.deepEqual(parseStartArguments([]), { type: 'run', folder: null, dir: null, keep: false })
})

test('a folder, --keep and --dir are understood in any order', () => {
  assert.deepEqual(parseStartArguments(['--keep', 'docs', '--dir', 'data']), {
    type: 'run',
    folder: 'docs',
    dir: 'data',
    keep: true,
  })
})

test('--help wins over everything else', () => {
  assert.deepEqual(parseStartArguments(['docs', '--help']), { type: 'help' })
})

test('an unknown flag, a missing value and a second folder are refused by name', () => {
  const reason = (...words: string[]) => {
    const args = parseStartArguments(words)
    return args.type === 'invalid' ? args.reason : ''
  }
  assert.match(reason('--kep'), /--kep/)
  assert.match(reason('--dir'), /--dir/)
  assert.match(reason('one', 'two'), /expected one folder, got one two/)
})
