/** The rules of the house, run as a test: each prints the line that breaks it. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sources = list(['src', 'workers'])
const all = list(['src', 'workers', 'bench', 'test'])

/** Each dependency has one door. What `bench` measures against it may open. */
const doors: Record<string, readonly string[]> = {
  lmdb: ['src/storage/', 'bench/', 'test/'],
  msgpackr: ['src/codec/', 'test/codec/'],
  'uWebSockets.js': ['src/network/'],
  ws: ['src/network/', 'test/'],
  piscina: ['src/actor/'],
  comlink: ['src/actor/'],
  'lmdb-peer': ['bench/peers/'],
  ioredis: ['bench/peers/'],
}

/**
 * What a folder of `src`, or a file at its top, may import from; nothing points up. The public shapes
 * (store.ts) are types only.
 */
const directions: Record<string, readonly string[]> = {
  'src/index.ts': [
    'src/backup',
    'src/cluster.ts',
    'src/store.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/raft/types.ts',
  ],
  'src/cluster.ts': [
    'src/node.ts',
    'src/client',
    'src/store.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/address.ts',
    'src/raft',
  ],
  'src/node.ts': [
    'src/actors.ts',
    'src/life.ts',
    'src/backup/online.ts',
    'src/client',
    'src/network',
    'src/storage',
    'src/actor',
    'src/store.ts',
    'src/messages.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/address.ts',
    'src/raft',
  ],
  'src/life.ts': ['src/errors.ts'],
  'src/actors.ts': [
    'src/actor',
    'src/codec/lane.ts',
    'src/codec/service.ts',
    'src/storage/board.ts',
    'src/storage/service.ts',
    'src/messages.ts',
    'src/options.ts',
    'src/raft/types.ts',
  ],
  'src/store.ts': ['src/network/link.ts', 'src/options.ts', 'src/raft/types.ts'],
  'src/messages.ts': ['src/errors.ts', 'src/raft/rpc.ts', 'src/raft/types.ts'],
  'src/options.ts': ['src/address.ts', 'src/checks.ts', 'src/errors.ts'],
  'src/checks.ts': [],
  'src/address.ts': [],
  'src/errors.ts': [],
  'src/cli': [
    'src/cli',
    'src/index.ts',
    'src/cluster.ts',
    'src/store.ts',
    'src/options.ts',
    'src/errors.ts',
  ],
  'src/backup': [
    'src/backup',
    'src/storage',
    'src/raft',
    'src/actor/control.ts',
    'src/store.ts',
    'src/checks.ts',
    'src/options.ts',
    'src/errors.ts',
  ],
  'src/command': ['src/command', 'src/backup', 'src/store.ts', 'src/errors.ts'],
  'src/client': [
    'src/client',
    'src/actor/port.ts',
    'src/codec',
    'src/storage/reader.ts',
    'src/storage/board.ts',
    'src/raft/types.ts',
    'src/raft/assert.ts',
    'src/raft/membership.ts',
    'src/raft/quorum.ts',
    'src/messages.ts',
    'src/checks.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/store.ts',
    'src/address.ts',
  ],
  'src/raft': ['src/raft'],
  'src/codec': [
    'src/codec',
    'src/raft',
    'src/actor/port.ts',
    'src/messages.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/address.ts',
  ],
  'src/storage': [
    'src/storage',
    'src/codec',
    'src/raft',
    'src/actor',
    'src/messages.ts',
    'src/options.ts',
    'src/errors.ts',
  ],
  'src/network': [
    'src/network',
    'src/raft',
    'src/messages.ts',
    'src/options.ts',
    'src/errors.ts',
    'src/address.ts',
  ],
  'src/actor': ['src/actor', 'src/errors.ts', 'src/raft/assert.ts'],
}

test('each dependency is imported through its one door', () => {
  for (const { path, imports } of all) {
    for (const { line, from } of imports) {
      const name = packageOf(from)
      const allowed = doors[name]
      if (allowed === undefined) continue
      assert.ok(
        allowed.some((door) => path.startsWith(door)),
        `${path}:${line} imports ${name}`,
      )
    }
  }
})

test('only the actor folder starts threads', () => {
  for (const { path, text } of sources) {
    if (path.startsWith('src/actor/')) continue
    assert.ok(!/new Worker\(/.test(text), `${path} starts a thread`)
  }
})

test('imports point down', () => {
  for (const { path, imports } of sources) {
    if (!path.startsWith('src/')) continue
    const row = Object.keys(directions).find((name) => isWithin(path, name))
    assert.ok(row !== undefined, `${path} has no row among the directions`)
    for (const { line, from } of imports) {
      if (!from.startsWith('.')) continue
      const target = relative(root, join(root, path, '..', from))
      const allowed = directions[row]?.some((name) => isWithin(target, name))
      assert.ok(allowed, `${path}:${line} imports ${target}`)
    }
  }
})

test('the core is pure: no clock, no disk, no socket, no await, no randomness', () => {
  const impure =
    /\b(await|async|Promise|setTimeout|setImmediate|Date|performance|process|Math\.random|queueMicrotask)\b/
  for (const { path, text, imports } of sources) {
    if (!path.startsWith('src/raft/')) continue
    for (const { line, from } of imports)
      assert.ok(from.startsWith('./'), `${path}:${line} imports ${from}`)
    for (const [n, line] of code(text).entries())
      assert.ok(!impure.test(line), `${path}:${n + 1}: ${line.trim()}`)
  }
})

test('no file is longer than 400 lines', () => {
  for (const { path, text } of all) {
    const lines = text.split('\n').length - 1
    assert.ok(lines <= 400, `${path} has ${lines} lines`)
  }
})

test('no function is longer than 70 lines', () => {
  for (const { path, text } of sources) {
    for (const { line, length } of functions(text))
      assert.ok(length <= 70, `${path}:${line}: ${length} lines`)
  }
})

test('nothing is left unfinished or swallowed', () => {
  const marks = /\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore/
  for (const { path, text } of all) {
    if (path === 'test/tidy.test.ts') continue
    // Tests may hand over what the types forbid.
    const unfinished = path.startsWith('test/')
      ? marks
      : new RegExp(`${marks.source}|as unknown as`)
    for (const [n, line] of text.split('\n').entries()) {
      assert.ok(!unfinished.test(line), `${path}:${n + 1}: ${line.trim()}`)
    }
  }
})

test('every source file is imported by another, or is an entrance', () => {
  const entrances = new Set([
    'src/index.ts',
    'workers/storage.ts',
    'workers/codec.ts',
    'src/cli/start.ts',
    'src/command/skiff.ts',
    'src/backup/look.ts',
  ])
  const imported = new Set(
    all.flatMap(({ path, imports }) =>
      imports
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => relative(root, join(root, path, '..', from))),
    ),
  )
  for (const { path } of sources) {
    if (path.endsWith('.d.ts')) continue
    assert.ok(imported.has(path) || entrances.has(path), `${path} is dead`)
  }
})

test('the top level holds what it should, and nothing else', () => {
  const folders = ['src', 'workers', 'bench', 'test', 'node_modules', 'dist']
  const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE']
  for (const entry of readdirSync(root, { withFileTypes: true })) {
    const { name } = entry
    if (name.startsWith('.') || name.endsWith('.md') || name.endsWith('.tgz')) continue
    assert.ok((entry.isDirectory() ? folders : files).includes(name), `${name} has no place here`)
  }
})

interface Source {
  readonly path: string
  readonly text: string
  readonly imports: readonly { line: number; from: string }[]
}

function list(folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => read(`${folder}/${name}`)),
  )
}

function read(path: string): Source {
  const text = readFileSync(join(root, path), 'utf8')
  const imports = [...text.matchAll(/(?:\bfrom |\bimport |\bimport\(|require\()\s*'([^']+)'/g)].map(
    (match) => ({
      from: match[1] ?? '',
      line: text.slice(0, match.index).split('\n').length,
    }),
  )
  return { path, text, imports }
}

function isWithin(path: string, name: string): boolean {
  return path === name || path.startsWith(`${name}/`)
}

function packageOf(specifier: string): string {
  const [scope, name] = specifier.split('/')
  return scope?.startsWith('@') === true ? `${scope}/${name}` : (scope ?? '')
}

/** Lines without comments. */
function code(text: string): string[] {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''))
    .split('\n')
    .map((line) => line.replace(/\/\/.*$/, ''))
}

/** Bodies that open at the end of a line with `) … {` and close at the same indentation. */
function functions(text: string): { line: number; length: number }[] {
  const lines = text.split('\n')
  const found: { line: number; length: number }[] = []
  for (const [n, line] of lines.entries()) {
    const indent = /^ */.exec(line)?.[0] ?? ''
    const opens =
      /\)(: [^=]+)? \{$/.test(line) && !/^\s*(if|for|while|switch|} else|do)\b/.test(line)
    if (!opens) continue
    const end = lines.findIndex((later, at) => at > n && later.startsWith(`${indent}}`))
    if (end > n) found.push({ line: n + 1, length: end - n + 1 })
  }
  return found
}
