/** What the operating system shows of a running node. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

/** Counts the threads of a process while nodes run, and after they were closed. */
const script = `
  import { readdirSync } from 'node:fs'
  import { createCluster } from '${new URL('../src/index.js', import.meta.url).href}'
  const threads = () => readdirSync('/proc/self/task').length
  const settled = async () => {
    for (let before = -1, now = threads(); now !== before; before = now, now = threads()) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return threads()
  }
  const [nodes, workers] = process.argv.slice(1).map(Number)
  // Once before, so that what Node starts on first use is there.
  await (await createCluster({ workers })).close()
  const without = await settled()
  const cluster = await createCluster({ nodes, workers })
  await cluster.put('key', 'value')
  console.log((await settled()) - without)
  await cluster.close()
`

for (const [nodes, workers, expected] of [
  [1, 1, 1],
  [1, 3, 3],
  [3, 2, 6],
] as const) {
  test(`${nodes} node(s) with workers: ${workers} run ${expected} worker thread(s) of ours`, (t) => {
    if (!existsSync('/proc/self/task')) return t.skip('this system does not show threads')
    const args = ['--input-type=module', '-e', script, '--', String(nodes), String(workers)]
    assert.equal(
      execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 }).trim(),
      String(expected),
    )
  })
}
