/** What a test opens it closes: in reverse order, also when it fails. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

type CloseIt = () => unknown

const opened = new WeakMap<TestContext, CloseIt[]>()

export function defer(test: TestContext, close: CloseIt): void {
  const known = opened.get(test)
  if (known !== undefined) {
    known.push(close)
    return
  }
  const closers = [close]
  opened.set(test, closers)
  test.after(async () => {
    for (const one of closers.reverse()) await one()
  })
}

/** Removed at the end of the test. */
export async function temporaryDir(test: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-test-'))
  defer(test, () => rm(dir, { recursive: true, force: true }))
  return dir
}
