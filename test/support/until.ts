import assert from 'node:assert/strict'

/** Long enough for a machine under stress; nothing waits for it unless it fails. */
const defaultCapMs = 20_000

/** Resolves with the first truthy answer; fails when there is none. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  capMs: number = defaultCapMs,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + capMs
  for (;;) {
    const answer = await condition()
    if (answer) return answer as Exclude<T, false | null | undefined>
    assert.ok(performance.now() < deadline, `never happened: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
