import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const start = join(import.meta.dirname, '../../src/cli/start.js')
const work = await mkdtemp(join(tmpdir(), 'skiff-start-'))
after(() => rm(work, { recursive: true, force: true }))

const fileCount = 200

interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function spawnStart(words: readonly string[]): ChildProcess {
  // The current directory is where the job keeps its temporary data.
  return spawn(process.execPath, [start, ...words], { cwd: work })
}

async function runStart(...words: string[]): Promise<Outcome> {
  const child = spawnStart(words)
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const [code] = await once(child, 'close')
  return { code, stdout: stdout(), stderr: stderr() }
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: string[] = []
  stream?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
  return () => chunks.join('')
}

/** Sends Ctrl-C when the text appears; once, since a second one ends the process at once. */
function interruptAt(
  child: ChildProcess,
  stream: NodeJS.ReadableStream | null,
  text: string,
): () => string {
  const collected = collect(stream)
  const listen = () => {
    if (!collected().includes(text)) return
    stream?.off('data', listen)
    child.kill('SIGINT')
  }
  stream?.on('data', listen)
  return collected
}

async function makeFolder(name: string): Promise<string> {
  const folder = join(work, name)
  for (let index = 0; index < fileCount; index++) {
    const inner = join(folder, `part-${index % 7}`)
    await mkdir(inner, { recursive: true })
    await writeFile(join(inner, `${index}.txt`), `content of ${index}`)
  }
  return folder
}

async function assertNothingLeft(): Promise<void> {
  assert.ok(!(await readdir(work)).includes('.skiff'), 'temporary data was left behind')
}

test('the job stores a folder, survives the death of the leader, and finds all nodes identical', async () => {
  const outcome = await runStart(await makeFolder('whole'))
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.equal(
    outcome.stdout.trimEnd().split('\n').at(-1),
    `all ${fileCount} keys identical on 3 nodes`,
  )
  assert.match(outcome.stderr, /another leader after/)
  await assertNothingLeft()
})

test('--keep leaves the cluster running until it is interrupted, and then nothing behind', async () => {
  const child = spawnStart([await makeFolder('kept'), '--keep'])
  const stderr = collect(child.stderr)
  const stdout = interruptAt(child, child.stdout, 'Ctrl-C closes')
  const [code] = await once(child, 'close')
  assert.equal(code, 0, stderr())
  assert.match(stdout(), new RegExp(`all ${fileCount} keys identical on 3 nodes`))
  assert.match(stdout(), /127\.0\.0\.1:\d+/)
  await assertNothingLeft()
})

test('an interrupt in the middle closes the cluster and removes its data', async () => {
  const child = spawnStart([await makeFolder('interrupted')])
  const stderr = interruptAt(child, child.stderr, 'killing the leader')
  const [code] = await once(child, 'close')
  assert.equal(code, 130, stderr())
  await assertNothingLeft()
})

test('--dir keeps the data, and a second run forgets files that are gone', async () => {
  const folder = await makeFolder('changing')
  const dir = join(work, 'data')
  assert.equal((await runStart(folder, '--dir', dir)).code, 0)
  assert.ok((await readdir(dir)).length > 0)
  await rm(join(folder, 'part-0'), { recursive: true })
  const { code, stdout, stderr } = await runStart(folder, '--dir', dir)
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /^all 171 keys identical on 3 nodes$/m)
})

test('an unknown flag and a folder that does not exist end with code 2 and say why', async () => {
  const flag = await runStart('--unknown')
  assert.equal(flag.code, 2)
  assert.match(flag.stderr, /--unknown.*Usage: npm start/s)
  const folder = await runStart('no/such/folder')
  assert.equal(folder.code, 2)
  assert.match(folder.stderr, /there is no folder .*no\/such\/folder/)
})

test('--help prints how to use it', async () => {
  const { code, stdout } = await runStart('--help')
  assert.equal(code, 0)
  assert.match(stdout, /^Usage: npm start/)
})
