/** Changes of the membership: what is asked of storage, when, and by what a change is judged. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Changes } from '../../src/client/changes.ts'
import { Client } from '../../src/client/client.ts'
import { ViewBoard } from '../../src/client/view.ts'
import type { NetworkToStorage } from '../../src/messages.ts'
import { resolveOptions } from '../../src/options.ts'
import type { Member } from '../../src/raft/types.ts'
import { BoardReader, BoardWriter, createBoard } from '../../src/storage/board.ts'
import type { StateReader } from '../../src/storage/reader.ts'
import { nextTurn, openChannel } from '../support/channel.ts'
import { skiff } from '../support/cluster.ts'

const [ours, theirs] = ['00000000000000aa', '00000000000000bb']
const address = '127.0.0.1:7400'
const seed = { id: ours, address: '127.0.0.1:7401' }
const add = { type: 'add', member: theirs, address, role: 'voter' } as const
const remove = { type: 'remove', member: theirs } as const
const voter: Member = { id: theirs, address, role: 'voter' }

/** Nothing is asked of these. */
const unused = {
  state: {} as unknown as StateReader,
  probe: () => assert.fail('probed'),
  stateFound: () => undefined,
  stateReplaced: () => true,
  peersChanged: () => undefined,
  failed: () => assert.fail('failed'),
}

/** Caught up as soon as asked, unless told otherwise. */
function openChanges(t: TestContext, catchUp: () => Promise<void> = async () => undefined) {
  const { port, storage } = openChannel(t)
  const views = new ViewBoard(1_000)
  const changes = new Changes({ port, views, timeoutMs: 1_000, catchUp, progress: () => 0 })
  const show = (members: readonly Member[], isJoint = false) =>
    views.show({ ...views.view, members, isJoint })
  const posted = (): readonly NetworkToStorage[] => storage.receive()
  return { changes, show, posted, sweep: () => views.sweep() }
}

for (const [change, before, after] of [
  [add, [voter], []],
  [remove, [], [voter]],
] as const) {
  test(`${change.type}: what this node has last heard is not taken for done before it has caught up`, async (t) => {
    let catchUp: () => void = () => undefined
    const caughtUp = new Promise<void>((resolve) => {
      catchUp = resolve
    })
    const { changes, show, posted } = openChanges(t, () => caughtUp)
    show(before)
    const done = changes.change(change)
    await nextTurn()
    assert.deepEqual(posted(), [], 'nothing is asked yet')
    show(after)
    catchUp()
    await nextTurn()
    assert.deepEqual(
      posted().map((message) => message.type === 'change' && message.change),
      [change],
    )
    show(before)
    assert.deepEqual((await done).members, before)
  })
}

test('without a leader a change is refused, not judged by an old view', async (t) => {
  const noLeader = new Error('no leader')
  const { changes, show, posted } = openChanges(t, () => Promise.reject(noLeader))
  show([voter])
  await assert.rejects(changes.change(add), noLeader)
  assert.deepEqual(posted(), [])
})

test('a member at another address is not the one that was to be added', async (t) => {
  const { changes, show, posted } = openChanges(t)
  show([{ ...voter, address: '127.0.0.1:9' }])
  const refused = assert.rejects(
    changes.change(add),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /is taken/),
  )
  await nextTurn()
  const [message] = posted()
  assert.ok(message?.type === 'change')
  changes.refused(message.id, 'the address is taken')
  await refused
})

test('a change whose signal has aborted, or with a timeout that is none, is never asked for', async (t) => {
  const { changes, posted } = openChanges(t)
  const reason = new Error('never mind')
  const signal = AbortSignal.abort(reason)
  for (const change of [add, remove]) {
    await assert.rejects(changes.change(change, { signal }), reason)
    for (const timeoutMs of [0, -1, Number.NaN, '5' as unknown as number])
      await assert.rejects(changes.change(change, { timeoutMs }), TypeError)
  }
  await nextTurn()
  assert.deepEqual(posted(), [])
})

test('a signal that aborts while the node catches up keeps the change from being asked for', async (t) => {
  const controller = new AbortController()
  const reason = new Error('never mind')
  const { changes, posted } = openChanges(t, async () => controller.abort(reason))
  await assert.rejects(changes.change(remove, { signal: controller.signal }), reason)
  await nextTurn()
  assert.deepEqual(posted(), [])
})

test('a join is asked of its seed at once, and done when this node votes', async (t) => {
  const { changes, show, posted } = openChanges(t, () => assert.fail('a joiner cannot catch up'))
  const joined = changes.join(theirs, address, seed)
  await nextTurn()
  const [message] = posted()
  assert.ok(message?.type === 'change')
  assert.deepEqual([message.change, message.via], [add, seed])
  show([{ ...voter, role: 'learner' }])
  show([voter])
  await joined
  await nextTurn()
  assert.deepEqual(posted(), [{ type: 'cancelChange', id: message.id }])
})

test('a join goes on as long as something is applied, and is given up when nothing is for the timeout', async (t) => {
  const { port } = openChannel(t)
  const memory = createBoard()
  const writer = new BoardWriter(memory)
  const board = new BoardReader(memory)
  const options = resolveOptions({ timeoutMs: 1_000 })
  const client = new Client({ port, options, board, ...unused })
  let time = 0
  t.mock.method(performance, 'now', () => time)
  let ended = false
  const late = assert.rejects(
    client.join(theirs, address, seed).finally(() => {
      ended = true
    }),
    skiff('SKIFF_TIMEOUT', 'unknown', /does not vote yet/),
  )
  const sweepAt = async (ms: number) => {
    time = ms
    client.sweep()
    await nextTurn()
    return ended
  }
  for (let round = 1; round <= 5; round++) {
    writer.write({ ...board.read(), appliedIndex: round })
    assert.equal(await sweepAt(round * 900), false, `${round * 900} ms`)
  }
  assert.equal(await sweepAt(5_499), false)
  assert.equal(await sweepAt(5_500), true)
  await late
})

test('changes of one start are not numbered like those of another', async (t) => {
  const ids = new Set<number>()
  for (let start = 0; start < 10; start++) {
    const { changes, show, posted } = openChanges(t)
    const done = changes.change(add)
    await nextTurn()
    for (const message of posted()) if (message.type === 'change') ids.add(message.id)
    show([voter])
    await done
  }
  assert.equal(ids.size, 10)
})

test('a change is not done while its configuration is joint: who leaves is needed still', async (t) => {
  const { changes, show, posted } = openChanges(t)
  show([voter])
  const done = changes.change(remove)
  await nextTurn()
  let isDone = false
  void done.then(() => {
    isDone = true
  })
  show([], true)
  await nextTurn()
  assert.equal(isDone, false)
  show([])
  assert.deepEqual((await done).members, [])
  await nextTurn()
  assert.deepEqual(
    posted().map(({ type }) => type),
    ['change', 'cancelChange'],
  )
})

for (const [what, change, members] of [
  ['a learner is one', { ...add, role: 'learner' }, [{ ...voter, role: 'learner' }]],
  ['a replacement is there', { ...add, type: 'replace', old: ours }, [voter]],
] as const)
  test(`a change is done when ${what}`, async (t) => {
    const { changes, show } = openChanges(t)
    const self: Member = { id: ours, address: '127.0.0.1:7401', role: 'voter' }
    show(change.type === 'replace' ? [self, voter] : [self])
    const done = changes.change(change)
    await nextTurn()
    show(members)
    assert.deepEqual((await done).members, members)
  })

test('a plan is asked once, is what storage says, and asks for no change', async (t) => {
  const { changes, posted } = openChanges(t)
  const planned = changes.plan(remove)
  await nextTurn()
  const [question, ...others] = posted()
  assert.ok(question?.type === 'plan')
  assert.deepEqual([question.change, others], [remove, []])
  const forecast = { before: [voter], after: [], refused: null }
  changes.planned(question.id + 1, { ...forecast, refused: 'of another' })
  changes.planned(question.id, forecast)
  assert.deepEqual(await planned, forecast)
  await nextTurn()
  assert.deepEqual(posted(), [{ type: 'cancelChange', id: question.id }])
})

test('a plan that nobody answers has changed nothing', async (t) => {
  let time = 0
  t.mock.method(performance, 'now', () => time)
  const { changes, sweep } = openChanges(t)
  const late = assert.rejects(
    changes.plan(remove),
    skiff('SKIFF_TIMEOUT', 'not-applied', /has not said within the deadline/),
  )
  await nextTurn()
  time = 1_001
  sweep()
  await late
})
