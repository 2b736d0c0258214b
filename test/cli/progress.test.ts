import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress, type ProgressOutput, renderBar } from '../../src/cli/progress.ts'

class Recorder implements ProgressOutput {
  readonly isTTY: boolean
  readonly columns = 60
  readonly written: string[] = []
  nowMs = 0

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): void {
    this.written.push(text)
  }

  progress(): Progress {
    return new Progress('loading', 'files', this, () => this.nowMs)
  }
}

test('a bar shows the part that is done, the rate and the time left', () => {
  assert.equal(
    renderBar({ label: 'loading', unit: 'files', done: 500, total: 2_000, elapsedMs: 1_000 }),
    'loading   ████████░░░░░░░░░░░░░░░░░░░░░░ 500/2,000 files  25 %  500/s  3.0 s left',
  )
})

test('on a terminal one line is rewritten, not more often than ten times a second, and fits', () => {
  const recorder = new Recorder(true)
  const progress = recorder.progress()
  for (recorder.nowMs = 1; recorder.nowMs <= 250; recorder.nowMs++) {
    progress.update(recorder.nowMs, 1_000)
  }
  assert.equal(recorder.written.length, 2)
  for (const line of recorder.written) {
    assert.ok(line.startsWith('\r\u001b[Kloading'), line)
    assert.ok(line.length <= 4 + 59, line)
  }
  progress.end()
  assert.equal(recorder.written.at(-1), '\n')
})

test('elsewhere a line comes every tenth of the work', () => {
  const recorder = new Recorder(false)
  const progress = recorder.progress()
  for (let done = 1; done <= 1_000; done++) {
    recorder.nowMs += 5
    progress.update(done, 1_000)
  }
  progress.end()
  assert.equal(recorder.written.length, 10)
  assert.match(recorder.written.join(''), /^loading: 100\/1,000 files {2}10 % .*\n/)
  assert.match(recorder.written.at(-1) ?? '', /1,000\/1,000 files {2}100 %/)
})

test('elsewhere a line comes every two seconds of slow work', () => {
  const recorder = new Recorder(false)
  const progress = recorder.progress()
  for (let done = 1; done <= 10; done++) {
    recorder.nowMs += 1_000
    progress.update(done, 1_000_000)
  }
  assert.equal(recorder.written.length, 5)
})

test('elsewhere quick work is one line', () => {
  const recorder = new Recorder(false)
  const progress = recorder.progress()
  for (recorder.nowMs = 1; recorder.nowMs <= 100; recorder.nowMs++) {
    progress.update(recorder.nowMs, 100)
  }
  progress.end()
  assert.equal(recorder.written.length, 1)
})

test('the end is shown once, also when nothing was to be done', () => {
  const recorder = new Recorder(false)
  recorder.progress().end()
  assert.deepEqual(recorder.written, ['loading: 0/0 files  100 %  0/s\n'])
})

test('a note does not run into the line that is rewritten', () => {
  const recorder = new Recorder(true)
  recorder.progress().note('killing the leader')
  assert.deepEqual(recorder.written, ['\r\u001b[Kkilling the leader\n'])
})
