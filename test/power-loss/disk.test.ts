/** The disk that POSIX allows, on traces written by hand. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Random } from '../simulation/random.ts'
import { defer } from '../support/cleanup.ts'
import { readCalls } from '../support/strace.ts'
import { Disk } from './disk.ts'
import { type Fate, makeImage } from './image.ts'

const everything = Number.POSITIVE_INFINITY

function hex(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
}

/** `'…'` becomes a string, `<…>` a path, as strace -xx shows them; one thread unless a line says another. */
function diskOf(lines: readonly string[]): Disk {
  const shown = lines.map((line) => {
    const text = line
      .replace(/'([^']*)'/g, (_, string: string) => `"${hex(string)}"`)
      .replace(/<(\/[^>]*)>/g, (_, path: string) => `<${hex(path)}>`)
    return /^\d/.test(text) ? text : `1  ${text}`
  })
  return new Disk('/d', readCalls(shown.join('\n')))
}

/** What is in an image: names with their contents, directories with a slash. */
function imageOf(
  t: TestContext,
  disk: Disk,
  cut: number,
  fate: Fate,
  seed = 1,
): Record<string, string> {
  const target = mkdtempSync(join(tmpdir(), 'skiff-image-'))
  defer(t, () => rmSync(target, { recursive: true, force: true }))
  makeImage({ disk }, { cut, fate }, target, new Random(seed))
  const entries = readdirSync(target, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(target.length + 1)
    return entry.isDirectory() ? [`${name}/`, ''] : [name, readFileSync(path, 'utf8')]
  })
  return Object.fromEntries(entries) as Record<string, string>
}

const open = "openat(AT_FDCWD</>, '/d/f', O_RDWR|O_CREAT, 0664) = 3</d/f>"
const openDirectory = "openat(AT_FDCWD</>, '/d', O_RDONLY) = 4</d>"

test('bytes are safe once a sync that began after their write has ended', (t) => {
  const disk = diskOf([
    open,
    openDirectory,
    'fsync(4</d>) = 0',
    "pwrite64(3</d/f>, 'one', 3, 0) = 3",
    'fdatasync(3</d/f>) = 0',
    "pwrite64(3</d/f>, 'two', 3, 3) = 3",
  ])
  assert.deepEqual(imageOf(t, disk, 5, 'safe'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, 4, 'safe'), { f: '' })
  assert.deepEqual(imageOf(t, disk, 4, 'all'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, everything, 'safe'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, everything, 'all'), { f: 'onetwo' })
})

test('a sync that is under way promises nothing yet, and nothing of a write beside it', (t) => {
  const disk = diskOf([
    open,
    openDirectory,
    'fsync(4</d>) = 0',
    "pwrite64(3</d/f>, 'one', 3, 0) = 3",
    'fdatasync(3</d/f> <unfinished ...>',
    "2  pwrite64(3</d/f>, 'two', 3, 3) = 3",
    '<... fdatasync resumed>) = 0',
  ])
  assert.deepEqual(imageOf(t, disk, 6, 'safe'), { f: '' })
  assert.deepEqual(imageOf(t, disk, 7, 'safe'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, 7, 'all'), { f: 'onetwo' })
})

test('a write may be there from where it began, and through O_DSYNC is safe where it ended, alone', (t) => {
  const disk = diskOf([
    open,
    openDirectory,
    'fsync(4</d>) = 0',
    "openat(AT_FDCWD</>, '/d/f', O_WRONLY|O_DSYNC) = 5</d/f>",
    "pwrite64(3</d/f>, 'one', 3, 0) = 3",
    "pwrite64(5</d/f>, 'two', 3, 3 <unfinished ...>",
    '<... pwrite64 resumed>) = 3',
  ])
  assert.deepEqual(imageOf(t, disk, 6, 'safe'), { f: '' })
  assert.deepEqual(imageOf(t, disk, 6, 'all'), { f: 'onetwo' })
  assert.deepEqual(imageOf(t, disk, 7, 'safe'), { f: '\0\0\0two' })
})

test('a descriptor is what was opened last, also where another thread had that number meanwhile', (t) => {
  const disk = diskOf([
    open,
    openDirectory,
    'fsync(4</d>) = 0',
    "openat(AT_FDCWD</>, '/d/f', O_WRONLY|O_DSYNC <unfinished ...>",
    "2  openat(AT_FDCWD</>, '/d/f', O_RDONLY) = 5</d/f>",
    '<... openat resumed>) = 5</d/f>',
    "pwrite64(5</d/f>, 'two', 3, 0) = 3",
  ])
  assert.deepEqual(imageOf(t, disk, 7, 'safe'), { f: 'two' })
})

test('a name is safe once its directory is synced, whatever happens to the file', (t) => {
  const disk = diskOf([
    open,
    "pwrite64(3</d/f>, 'one', 3, 0) = 3",
    'fsync(3</d/f>) = 0',
    openDirectory,
    'fsync(4</d>) = 0',
    "rename('/d/f', '/d/g') = 0",
    "unlink('/d/g') = 0",
  ])
  assert.deepEqual(imageOf(t, disk, 4, 'safe'), {})
  assert.deepEqual(imageOf(t, disk, 5, 'safe'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, 6, 'all'), { g: 'one' })
  assert.deepEqual(imageOf(t, disk, everything, 'safe'), { f: 'one' })
  assert.deepEqual(imageOf(t, disk, everything, 'all'), {})
})

test('a position moves with what is written, and is set by a seek', (t) => {
  const disk = diskOf([
    open,
    "writev(3</d/f>, [{iov_base='on', iov_len=2}, {iov_base='e', iov_len=1}], 2) = 3",
    "write(3</d/f>, 'two', 3) = 3",
    'lseek(3</d/f>, 1, SEEK_SET) = 1',
    "write(3</d/f>, 'N', 1) = 1",
    'ftruncate(3</d/f>, 5) = 0',
  ])
  assert.deepEqual(imageOf(t, disk, everything, 'all'), { f: 'oNetw' })
})

test('of torn writes each sector is there or not, and nothing that is safe is torn', (t) => {
  const old = 'a'.repeat(2_048)
  const disk = diskOf([
    open,
    openDirectory,
    'fsync(4</d>) = 0',
    `pwrite64(3</d/f>, '${old}', 2048, 0) = 2048`,
    'fdatasync(3</d/f>) = 0',
    `pwrite64(3</d/f>, '${'b'.repeat(1_024)}', 1024, 512) = 1024`,
  ])
  const seen = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    const { f = '' } = imageOf(t, disk, everything, 'torn', seed)
    const sectors = [0, 1, 2, 3].map((n) => f.slice(n * 512, (n + 1) * 512))
    for (const sector of sectors) assert.equal(new Set(sector).size, 1, 'a sector is torn')
    seen.add(sectors.map((sector) => sector[0]).join(''))
  }
  assert.deepEqual([...seen].sort(), ['aaaa', 'aaba', 'abaa', 'abba'])
})

test('a call that changes the disk and is not understood ends the recording', () => {
  assert.throws(
    () => diskOf([open, 'fallocate(3</d/f>, 0, 0, 4096) = 0']),
    /fallocate is not understood/,
  )
  assert.throws(
    () => diskOf([open, 'mmap(NULL, 8, PROT_READ, MAP_SHARED, 3</d/f>, 0) = 0x7f', 'sync() = 0']),
    /sync is not understood/,
  )
  assert.throws(() => diskOf([`symlink('/x', '/d/y') = 0`]), /symlink is not understood/)
  assert.equal(diskOf([`symlink('/x', '/y') = 0`]).inodes.length, 1, 'another disk')
})
