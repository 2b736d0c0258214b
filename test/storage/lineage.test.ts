/** What a directory remembers of its own starts, and of those of others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { descendsFrom } from '../../src/raft/lineage.ts'
import { type Dice, type Home, type Opened, openNode } from '../../src/storage/opening.ts'
import { Disks } from '../simulation/disks.ts'
import type { Hooks } from '../simulation/memory.ts'
import { Random } from '../simulation/random.ts'
import { Sights } from '../simulation/sights.ts'
import { skiff } from '../support/cluster.ts'

const nothing = (): void => undefined
const quiet: Hooks = { begin: nothing, commit: nothing, done: nothing }
const random = new Random(1)

const dice: Dice = {
  id: () => '00000000000000aa',
  below: (end) => random.below(end),
  next: () => random.next(),
}

function homeOf(disks: Disks): Home {
  const world = { sights: new Sights(), freeBytes: () => Number.POSITIVE_INFINITY }
  return disks.home('home', quiet, quiet, { ...world, random, after: nothing, step: nothing })
}

async function close({ log, state }: Opened): Promise<void> {
  await state.close()
  await log.close()
}

test('each start is an incarnation higher than all before, and descends from each of them', async () => {
  const home = homeOf(new Disks())
  const seen: number[] = []
  for (let n = 0; n < 5; n++) {
    const opened = openNode(home, dice)
    const { incarnation, identity } = opened
    const ancestors = identity.lineage.slice(0, -1)
    assert.deepEqual(ancestors, seen)
    assert.ok(incarnation > (seen.at(-1) ?? 0))
    for (const one of seen) assert.ok(descendsFrom({ incarnation, ancestors }, one))
    seen.push(incarnation)
    await close(opened)
  }
})

test('a directory that the cluster has disowned is not started again', async () => {
  const home = homeOf(new Disks())
  const opened = openNode(home, dice)
  opened.log.saveIdentity({ ...opened.identity, disowned: 'a copy of node X' })
  await close(opened)
  assert.throws(
    () => openNode(home, dice),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /home was refused before: a copy of node X/),
  )
})

test('whom it has let in, and as which incarnation, is there after a restart', async () => {
  const home = homeOf(new Disks())
  const opened = openNode(home, dice)
  assert.deepEqual([...opened.log.met], [])
  for (const [node, incarnation] of [
    ['b', 1],
    ['c', 2],
    ['b', 3],
  ] as const)
    opened.log.meet(node, incarnation)
  await close(opened)
  const again = openNode(home, dice)
  assert.deepEqual(
    [...again.log.met],
    [
      ['c', 2],
      ['b', 3],
    ],
  )
  for (let n = 0; n < 300; n++) again.log.meet(`node ${n}`, n)
  again.log.meet('b', 4)
  assert.equal(again.log.met.size, 256, 'the least lately met are forgotten')
  assert.equal(again.log.met.get('b'), 4)
  await close(again)
})
