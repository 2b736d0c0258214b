/** What a leader knows about another server. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Progress } from '../../src/raft/progress.ts'

describe('probing', () => {
  test('one append at a time, without moving on', () => {
    const progress = new Progress(5)
    assert.equal(progress.canSend(3), true)
    progress.sent(7)
    assert.equal(progress.canSend(3), false)
    assert.equal(progress.nextIndex, 5)
  })

  test('an acknowledgement opens the window right behind what it says', () => {
    const progress = new Progress(5)
    progress.sent(7)
    progress.accepted(3)
    assert.deepEqual([progress.mode, progress.matchIndex, progress.nextIndex], ['replicate', 3, 4])
  })

  test('only the refusal of the probe itself is current', () => {
    const progress = new Progress(5)
    assert.deepEqual(
      [3, 4, 5].map((index) => progress.isCurrent(index)),
      [false, true, false],
    )
  })
})

describe('a log that has lost what it acknowledged', () => {
  test('is known by refusing it again and again, and trusted again when it accepts it', () => {
    const progress = new Progress(5)
    progress.accepted(4)
    progress.lost()
    for (const known of [false, false, true, true]) {
      assert.equal(progress.refused(4), false, 'there is nothing to go back to')
      assert.deepEqual([progress.hasForgotten, progress.heldIndex], [known, known ? 0 : 4])
    }
    progress.accepted(3)
    assert.equal(progress.hasForgotten, true)
    progress.accepted(4)
    assert.equal(progress.hasForgotten, false)
  })
})

describe('replicating', () => {
  const replicating = () => {
    const progress = new Progress(1)
    progress.accepted(0)
    return progress
  }

  test('moves on with what is sent, until the window is full', () => {
    const progress = replicating()
    progress.sent(2)
    progress.sent(4)
    assert.equal(progress.nextIndex, 5)
    assert.deepEqual([progress.canSend(3), progress.canSend(2)], [true, false])
  })

  test('one acknowledgement frees all appends up to it', () => {
    const progress = replicating()
    for (const last of [2, 4, 6]) progress.sent(last)
    progress.accepted(4)
    assert.equal(progress.canSend(2), true)
    assert.equal(progress.canSend(1), false)
  })

  test('an older acknowledgement takes nothing back', () => {
    const progress = replicating()
    progress.sent(4)
    progress.accepted(4)
    progress.accepted(2)
    assert.deepEqual([progress.matchIndex, progress.nextIndex], [4, 5])
  })

  test('silence while something is on its way means it is lost', () => {
    const progress = replicating()
    progress.tick(2)
    progress.tick(2)
    assert.equal(progress.mode, 'replicate')
    progress.sent(4)
    progress.tick(2)
    progress.tick(2)
    assert.deepEqual([progress.mode, progress.nextIndex, progress.canSend(1)], ['probe', 1, true])
  })

  test('never goes back to what is acknowledged', () => {
    const progress = replicating()
    progress.accepted(4)
    assert.throws(() => progress.probe(4), /next 4 is not above match 4/)
  })
})

test('whatever happens, nextIndex is above matchIndex, and matchIndex never falls', () => {
  const step = fc.tuple(fc.constantFrom('sent', 'accepted', 'refused', 'tick', 'lost'), fc.nat(20))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const progress = new Progress(10)
      for (const [what, index] of steps) {
        const before = progress.matchIndex
        if (what === 'sent' && progress.canSend(3)) progress.sent(progress.nextIndex - 1 + index)
        if (what === 'accepted') progress.accepted(index)
        if (what === 'refused' && progress.isCurrent(index))
          progress.probe(Math.max(before, index - 1) + 1)
        if (what === 'tick') progress.tick(2)
        if (what === 'lost') progress.probe(before + 1)
        assert.ok(progress.nextIndex > progress.matchIndex && progress.matchIndex >= before)
      }
    }),
  )
})
