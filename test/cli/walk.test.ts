import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { walkFolder } from '../../src/cli/walk.ts'

const root = await mkdtemp(join(tmpdir(), 'skiff-walk-'))
after(() => rm(root, { recursive: true }))
await mkdir(join(root, 'inner/deeper'), { recursive: true })
await mkdir(join(root, 'data'))
await writeFile(join(root, 'top.txt'), 'top')
await writeFile(join(root, 'inner/deeper/größe.txt'), 'inner')
await writeFile(join(root, 'inner/empty'), '')
await writeFile(join(root, 'data/log'), 'data')
await symlink(join(root, 'top.txt'), join(root, 'link-to-file'))
await symlink(root, join(root, 'link-to-folder'))

test('a walk gives each file a key made of its path, and leaves out links and excluded folders', async () => {
  const { files, unreadable } = await walkFolder(root, { exclude: [join(root, 'data')] })
  assert.deepEqual([...files.keys()].sort(), [
    'files/inner/deeper/größe.txt',
    'files/inner/empty',
    'files/top.txt',
  ])
  assert.deepEqual(unreadable, [])
})

test('the value of a file is its size, the time of its change and the hash of its content', async () => {
  const modified = new Date('2024-02-29T12:34:56.789Z')
  await utimes(join(root, 'top.txt'), modified, modified)
  const { files } = await walkFolder(root)
  assert.deepEqual(files.get('files/top.txt'), {
    bytes: 3,
    modified: '2024-02-29T12:34:56.789Z',
    sha256: createHash('sha256').update('top').digest('hex'),
  })
  assert.equal(files.get('files/inner/empty')?.bytes, 0)
})

test('a file longer than one read is hashed whole', async () => {
  const content = Buffer.alloc(700_001, 'abcdefg')
  await writeFile(join(root, 'data/long'), content)
  const { files } = await walkFolder(join(root, 'data'))
  assert.deepEqual(
    { bytes: files.get('files/long')?.bytes, sha256: files.get('files/long')?.sha256 },
    { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') },
  )
})

test('what cannot become a key is reported with the reason, and the walk goes on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-walk-long-'))
  after(() => rm(folder, { recursive: true }))
  const long = Array.from({ length: 5 }, () => 'x'.repeat(250)).join('/')
  await mkdir(join(folder, long), { recursive: true })
  await writeFile(join(folder, long, 'file'), '')
  await writeFile(join(folder, 'short'), '')
  const { files, unreadable } = await walkFolder(folder)
  assert.deepEqual([...files.keys()], ['files/short'])
  assert.deepEqual(unreadable, [
    { path: `${long}/file`, reason: 'key of 1265 bytes, 1024 are allowed' },
  ])
})

test('a folder that cannot be listed is reported', async () => {
  const { files, unreadable } = await walkFolder(join(root, 'top.txt'))
  assert.equal(files.size, 0)
  assert.deepEqual(unreadable, [{ path: '', reason: 'ENOTDIR' }])
})

test('a walk ends when its signal does, with the reason of the signal', async () => {
  const reason = new Error('enough')
  await assert.rejects(walkFolder(root, { signal: AbortSignal.abort(reason) }), reason)
})

test('progress counts up to the number of files', async () => {
  const calls: [number, number][] = []
  await walkFolder(join(root, 'inner'), { onProgress: (done, total) => calls.push([done, total]) })
  assert.deepEqual(calls, [
    [1, 2],
    [2, 2],
  ])
})
