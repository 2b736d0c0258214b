import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Directory,
  directoryAt,
  freeBytes,
  makeDirectory,
} from '../../src/storage/directory.ts'
import { DirectoryLock } from '../../src/storage/lock.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { skiff } from '../support/cluster.ts'

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
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  assertHeld(await lockedBy(t, { pid, startedAt }), new RegExp(`in use by process ${pid}`))
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
  lock.refresh()
  lock.release()
  assert.deepEqual(readdirSync(directory.path), ['lock'])
})

test('a lock that says nothing is taken over', async (t) => {
  const directory = await lockedBy(t, {})
  writeFileSync(join(directory.path, 'lock'), '{"pid":')
  assertTaken(directory)
})
