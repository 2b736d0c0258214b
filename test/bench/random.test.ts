import assert from 'node:assert/strict'
import { test } from 'node:test'
import { randomIntegers, scattered, zipfianRanks } from '../../bench/load/random.ts'
import { Schedule } from '../../bench/load/schedule.ts'

test('the same seed gives the same integers, all below the bound and spread over it', () => {
  const draw = () => {
    const random = randomIntegers(64)
    return Array.from({ length: 10_000 }, () => random(1_000))
  }
  assert.deepEqual(draw(), draw())
  assert.ok(draw().every((integer) => integer >= 0 && integer < 1_000))
  assert.ok(new Set(draw()).size > 990)
})

test('of zipfian ranks each is asked for about half as often as one of half its number', () => {
  const nextRank = zipfianRanks(1_000, randomIntegers(7))
  const counts = new Uint32Array(1_000)
  for (let n = 0; n < 200_000; n++) {
    const rank = nextRank()
    counts[rank] = (counts[rank] ?? 0) + 1
  }
  const [first = 0, second = 0, , fourth = 0] = counts
  assert.ok(first > 1.7 * second && first < 2.3 * second, `${first}, ${second}`)
  assert.ok(second > 1.5 * fourth && second < 2.5 * fourth, `${second}, ${fourth}`)
  assert.ok(counts.slice(500).some((count) => count > 0))
})

test('neighbours in rank lie apart among the keys, and none outside of them', () => {
  const places = Array.from({ length: 100 }, (_, rank) => scattered(rank, 1_000))
  assert.ok(places.every((place) => place >= 0 && place < 1_000))
  assert.ok(new Set(places).size > 90)
  const gaps = places.slice(1).map((place, n) => Math.abs(place - (places[n] ?? 0)))
  assert.ok(gaps.filter((gap) => gap > 10).length > 90)
})

test('operations of the open loop come as often as they should, and not evenly', () => {
  const schedule = new Schedule(1_000, randomIntegers(3))
  const due: number[] = []
  for (let n = 0; n < 20_000; n++) {
    due.push(schedule.dueMs)
    schedule.next()
  }
  const gaps = due.slice(1).map((dueMs, n) => dueMs - (due[n] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  assert.ok(mean > 0.95 && mean < 1.05, `${mean}`)
  assert.ok(gaps.every((gap) => gap >= 0))
  // Of a Poisson process 1 - 1/e of the gaps are shorter than the mean.
  const shorter = gaps.filter((gap) => gap < mean).length / gaps.length
  assert.ok(shorter > 0.6 && shorter < 0.66, `${shorter}`)
})

test('what is due up to a moment is counted, once', () => {
  const schedule = new Schedule(1_000, randomIntegers(3))
  const first = schedule.dueBefore(100)
  assert.ok(first > 70 && first < 130, `${first}`)
  assert.equal(schedule.dueBefore(100), 0)
})
