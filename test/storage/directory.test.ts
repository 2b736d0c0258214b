import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Directory,
  directoryAt,
  freeBytes,
  releaseDirectory,
  takeDirectory,
} from '../../src/storage/directory.ts'
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

function lockOf({ path }: Directory): Holder {
  return JSON.parse(readFileSync(join(path, 'lock'), 'utf8'))
}

/** A directory that somebody has locked who differs from us in this. */
async function lockedBy(t: TestContext, holder: Partial<Holder>): Promise<Directory> {
  const directory = await freshDirectory(t)
  takeDirectory(directory)
  writeFileSync(join(directory.path, 'lock'), JSON.stringify({ ...lockOf(directory), ...holder }))
  return directory
}

function assertTaken(directory: Directory): void {
  takeDirectory(directory)
  assert.equal(lockOf(directory).pid, process.pid)
  assert.deepEqual(readdirSync(directory.path), ['lock'])
}

function assertHeld(directory: Directory, by: RegExp): void {
  assert.throws(() => takeDirectory(directory), skiff('SKIFF_CONFIG', 'not-applied', by))
  assert.deepEqual(readdirSync(directory.path), ['lock'], 'nothing else is left')
}

test('a directory is made, taken, given back and taken again', async (t) => {
  const directory = await freshDirectory(t)
  assertTaken(directory)
  assertHeld(directory, new RegExp(`in use by process ${process.pid}`))
  releaseDirectory(directory)
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

test('the lock of another container is respected, for its process ids mean nothing here', async (t) => {
  assertHeld(await lockedBy(t, { pidNamespace: 'pid:[1]', pid: 1 }), /in use by process 1/)
})

test('a lock that says nothing is taken over', async (t) => {
  const directory = await lockedBy(t, {})
  writeFileSync(join(directory.path, 'lock'), '{"pid":')
  assertTaken(directory)
})
