/**
 * Where mutants grow: for each a whole compiled tree of the program and its tests, in which its files are
 * replaced. All are compiled by one call of the compiler, which does not look at their types.
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Mutant, planted } from './mutant.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const compiler = join(root, 'node_modules', '.bin', 'tsc')
const compilerOptions = [
  '--ignoreConfig',
  '--noCheck',
  '--noResolve',
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--rewriteRelativeImportExtensions',
]

export function readSource(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

export function writeSource(file: string, text: string): void {
  writeFileSync(join(root, file), text)
}

export class Nursery {
  readonly #folder = mkdtempSync(join(tmpdir(), 'skiff-mutants-'))
  readonly #mutants: readonly Mutant[]
  /** Trees in which nothing grows any more. To copy all of one takes longer than most hunts. */
  readonly #cleared: string[] = []
  #trees = 0

  constructor(mutants: readonly Mutant[]) {
    this.#mutants = mutants
    write(join(this.#folder, 'package.json'), '{ "type": "module" }')
    symlinkSync(resolve(root, 'node_modules'), join(this.#folder, 'node_modules'))
    this.#compile(mutants.flatMap((mutant, n) => this.#writeSources(mutant, n)))
  }

  /** The compiled tree of one of them, `dist` as it would be. `null`: that of no mutant at all. */
  grow(mutant: Mutant | null): string {
    const tree = this.#cleared.pop() ?? this.#copy()
    if (mutant === null) return tree
    const built = join(this.#folder, 'built', `${this.#mutants.indexOf(mutant)}`)
    cpSync(built, tree, { recursive: true })
    return tree
  }

  /** Nobody runs it any more: it becomes the program as it is, for the next one. */
  clear(tree: string, mutant: Mutant | null): void {
    for (const { file } of mutant?.edits ?? []) {
      const compiled = file.replace(/\.ts$/, '.js')
      copyFileSync(join(root, 'dist', compiled), join(tree, compiled))
    }
    this.#cleared.push(tree)
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #copy(): string {
    const tree = join(this.#folder, 'trees', `${this.#trees++}`, 'dist')
    cpSync(join(root, 'dist'), tree, { recursive: true, filter: isRun })
    return tree
  }

  #writeSources(mutant: Mutant, n: number): string[] {
    const files = [...planted(mutant, readSource)]
    return files.map(([file, text]) => {
      const path = join(this.#folder, 'sources', `${n}`, file)
      write(path, text)
      return path
    })
  }

  #compile(files: readonly string[]): void {
    if (files.length === 0) return
    const places = [
      '--rootDir',
      join(this.#folder, 'sources'),
      '--outDir',
      join(this.#folder, 'built'),
    ]
    execFileSync(compiler, [...compilerOptions, ...places, ...files], { stdio: 'pipe' })
  }
}

/** Types and maps are for people. */
function isRun(path: string): boolean {
  return !path.endsWith('.d.ts') && !path.endsWith('.map')
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
