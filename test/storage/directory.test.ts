import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import {
  type Directory,
  directoryAt,
  discardUnfinishedLog,
  freeBytes,
  makeDirectory,
} from '../../src/storage/directory.ts'
import { openLogEnvironment } from '../../src/storage/environment.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'
import { until } from '../support/until.ts'

async function freshDirectory(t: TestContext): Promise<Directory> {
  return directoryAt(join(await temporaryDir(t), 'a', 'b'))
}

interface Holder {
  pid: number
  startedAt: string
  bootId: string
  pidNamespace: string
}

function take({ path }: Directory): DirectoryLock {
  makeDirectory(path)
  return DirectoryLock.take(path)
}

function lockOf({ path }: Directory): Holder {
  return JSON.parse(readFileSync(join(path, 'lock'), 'utf8'))
}

/** What Linux says of a process, from its state on. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** A directory that somebody has locked who differs from us in this. */
async function lockedBy(t: TestContext, holder: Partial<Holder>): Promise<Directory> {
  const directory = await freshDirectory(t)
  take(directory)
  writeFileSync(join(directory.path, 'lock'), JSON.stringify({ ...lockOf(directory), ...holder }))
  return directory
}

function assertTaken(directory: Directory): DirectoryLock {
  const lock = take(directory)
  assert.equal(lockOf(directory).pid, process.pid)
  assert.deepEqual(readdirSync(directory.path), ['lock'])
  return lock
}

function assertHeld(directory: Directory, by: RegExp): void {
  assert.throws(() => take(directory), skiff('SKIFF_CONFIG', 'not-applied', by))
  assert.deepEqual(readdirSync(directory.path), ['lock'], 'nothing else is left')
}

test('a directory is made, taken, given back and taken again', async (t) => {
  const directory = await freshDirectory(t)
  const lock = assertTaken(directory)
  assertHeld(directory, new RegExp(`in use by process ${process.pid}`))
  lock.release()
  assert.deepEqual(readdirSync(directory.path), [])
  assertTaken(directory)
  assert.ok(freeBytes(directory) > 0)
})

test('the lock of a dead process is taken over', async (t) => {
  const { pid } = spawnSync(process.execPath, ['--version'])
  assertTaken(await lockedBy(t, { pid }))
})

test('the lock of a process whose id was given to another is taken over', async (t) => {
  assertTaken(await lockedBy(t, { startedAt: '1' }))
})

test('the lock of an earlier start of the machine is taken over', async (t) => {
  assertTaken(await lockedBy(t, { bootId: 'another' }))
})

test('the lock of a live process is respected', async (t) => {
  const pid = process.ppid
  const startedAt = statOf(pid)[19] ?? ''
  assertHeld(await lockedBy(t, { pid, startedAt }), new RegExp(`in use by process ${pid}`))
})

test('the lock of a process that has ended is taken over, though nobody reaps it', async (t) => {
  // The shell becomes a program that asks after no child; only then may the child end, for the shell might reap it.
  const careless = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  t.after(() => careless.kill('SIGKILL'))
  const [, output, , life] = careless.stdio
  const pid = Number(String(await once(output as Readable, 'data')))
  const nameOf = () => readFileSync(`/proc/${careless.pid}/comm`, 'utf8')
  await until(() => nameOf() === 'sleep\n', 'the shell is another program')
  ;(life as Writable).end()
  await until(() => statOf(pid)[0] === 'Z', 'it is a zombie')
  assertTaken(await lockedBy(t, { pid, startedAt: statOf(pid)[19] ?? '' }))
})

test('the lock of another container is respected while it is refreshed, for its process ids mean nothing here', async (t) => {
  const directory = await lockedBy(t, { pidNamespace: 'pid:[1]', pid: 1 })
  assertHeld(directory, /in use by process 1/)
  const longAgo = new Date(Date.now() - 61_000)
  utimesSync(join(directory.path, 'lock'), longAgo, longAgo)
  assertTaken(directory)
})

test('a lock that became another’s is neither refreshed nor given back', async (t) => {
  const directory = await freshDirectory(t)
  const lock = take(directory)
  writeFileSync(
    join(directory.path, 'lock'),
    JSON.stringify({ ...lockOf(directory), token: 'other' }),
  )
  assert.throws(() => lock.refresh(), skiff('SKIFF_STORAGE', 'unknown', /was taken away/))
  lock.release()
  assert.deepEqual(readdirSync(directory.path), ['lock'])
})

test('a lock that is gone, or that cannot be read, says so when it is refreshed', async (t) => {
  const directory = await freshDirectory(t)
  const path = join(directory.path, 'lock')
  const lock = take(directory)
  lock.refresh()
  rmSync(path)
  assert.throws(() => lock.refresh(), skiff('SKIFF_STORAGE', 'unknown', /was taken away/))
  lock.release()
  mkdirSync(path)
  assert.throws(() => lock.refresh(), skiff('SKIFF_STORAGE', 'unknown', /cannot refresh .*EISDIR/))
  assert.throws(() => lock.release(), skiff('SKIFF_STORAGE', 'unknown', /cannot release .*EISDIR/))
})

test('a lock that says nothing is taken over', async (t) => {
  const directory = await lockedBy(t, {})
  writeFileSync(join(directory.path, 'lock'), '{"pid":')
  assertTaken(directory)
})

test('a log that the power cut while it was made is thrown away; one that may have held something is not', async (t) => {
  const directory = await freshDirectory(t)
  const { log, state } = directory
  const path = join(log, 'data.mdb')
  const environment = openLogEnvironment(log)
  environment.openTable('log')
  await environment.close()
  const used = readFileSync(path).subarray(4_096, 4_096 + 160)
  const fresh = Buffer.from(used).fill(0, 152, 160)
  const blank = Buffer.alloc(160)
  const file = (first: Buffer, second: Buffer, bytes = 8_192) => {
    const whole = Buffer.alloc(16_384)
    whole.set(first, 0)
    whole.set(second, 4_096)
    return whole.subarray(0, bytes)
  }
  const isDiscarded = (bytes: Buffer) => {
    mkdirSync(log, { recursive: true })
    writeFileSync(path, bytes)
    discardUnfinishedLog(directory)
    return !existsSync(log)
  }
  const unfinished = [
    file(blank, blank),
    file(fresh, blank),
    file(blank, fresh),
    file(fresh, blank, 12_288),
    file(fresh, blank, 512),
    file(blank, blank, 1),
  ]
  for (const bytes of unfinished) assert.ok(isDiscarded(bytes))
  const kept = [
    file(fresh, fresh),
    file(blank, used),
    file(used, blank),
    file(fresh, blank, 16_384),
    Buffer.alloc(100, 'rubbish'),
  ]
  for (const bytes of kept) assert.ok(!isDiscarded(bytes))
  mkdirSync(state(0))
  for (const bytes of unfinished) assert.ok(!isDiscarded(bytes), 'it was of use')
})
