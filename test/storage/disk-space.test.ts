import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskSpace } from '../../src/storage/disk-space.ts'

const lowMark = 1_600

function open(freeBytes: number): { space: DiskSpace; disk: { freeBytes: number; looks: number } } {
  const disk = { freeBytes, looks: 0 }
  const measure = (): number => {
    disk.looks++
    return disk.freeBytes
  }
  return { space: new DiskSpace(measure, lowMark), disk }
}

test('below the low mark writes are refused, and taken again when there is room', () => {
  const { space, disk } = open(lowMark)
  assert.equal(space.trouble, null)
  disk.freeBytes = lowMark - 1
  space.spend(lowMark)
  assert.match(space.trouble ?? '', /diskFreeBytesMin/)
  disk.freeBytes = lowMark
  for (let n = 0; n < 40; n++) space.tick()
  assert.equal(space.trouble, null)
})

test('far below it the node stops, before the map meets a full disk', () => {
  const { space, disk } = open(lowMark)
  disk.freeBytes = lowMark / 4 - 1
  space.spend(lowMark / 16)
  assert.throws(() => space.spend(1), { code: 'SKIFF_STORAGE', outcome: 'unknown' })
})

test('it looks again after so many bytes, not at every write', () => {
  const { space, disk } = open(10 * lowMark)
  const before = disk.looks
  for (let n = 0; n < 100; n++) space.spend(1)
  assert.equal(disk.looks, before)
  space.spend(1)
  assert.equal(disk.looks, before + 1)
})

test('where a map is nearly full writes are refused, far below that the node stops, whatever the disk has', () => {
  const map = { freeBytes: 2 ** 30 }
  for (const mark of [lowMark, 0]) {
    const space = new DiskSpace(
      () => 10 * lowMark,
      mark,
      () => map.freeBytes,
    )
    assert.equal(space.trouble, null)
    map.freeBytes = 2 ** 30 - 1
    space.spend(2 ** 26 + 1)
    assert.match(space.trouble ?? '', /the map .* has 1073741823 bytes left/)
    map.freeBytes = 2 ** 28 - 1
    assert.throws(() => space.spend(2 ** 26 + 1), { code: 'SKIFF_STORAGE', outcome: 'unknown' })
    map.freeBytes = 2 ** 30
    for (let n = 0; n < 40; n++) space.tick()
    assert.equal(space.trouble, null)
  }
})

test('a low mark of zero asks for no care', () => {
  const space = new DiskSpace(() => 0, 0)
  space.spend(1_000_000)
  assert.equal(space.trouble, null)
})
