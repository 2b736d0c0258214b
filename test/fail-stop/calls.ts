/** Calls of every kind that wait for an answer of one node, and what becomes of them when it stops. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Node, Outcome, SkiffError } from '../../src/index.ts'
import { tcpServer } from '../support/tcp.ts'
import { until } from '../support/until.ts'

interface Call {
  readonly what: string
  readonly outcome: Outcome
  readonly run: () => Promise<unknown>
}

export interface Fate {
  readonly what: string
  readonly code: string
  readonly outcome: string
}

/** `lone`: the address of a node that may be added; `silent`: of one that does not answer. */
function callsOf(node: Node, lone: string, silent: string): readonly Call[] {
  const missing = 'f'.repeat(16)
  return [
    { what: 'put', outcome: 'unknown', run: () => node.put('k', 2) },
    { what: 'delete', outcome: 'unknown', run: () => node.delete('k') },
    { what: 'get', outcome: 'not-applied', run: () => node.get('k') },
    { what: 'entry', outcome: 'not-applied', run: () => node.entry('k') },
    { what: 'keys', outcome: 'not-applied', run: () => node.keys() },
    { what: 'prefixes', outcome: 'not-applied', run: () => node.prefixes() },
    { what: 'scan', outcome: 'not-applied', run: () => node.scan().next() },
    { what: 'watch', outcome: 'not-applied', run: () => node.watch('none/').next() },
    { what: 'members', outcome: 'not-applied', run: () => node.members() },
    { what: 'addServer', outcome: 'not-applied', run: () => node.addServer(lone) },
    { what: 'addServer, dialling', outcome: 'not-applied', run: () => node.addServer(silent) },
    { what: 'removeServer', outcome: 'not-applied', run: () => node.removeServer(missing) },
  ]
}

export interface PendingCalls {
  /** As they should end. */
  readonly expected: (code: string) => readonly Fate[]
  /** As they did. */
  readonly fates: Promise<readonly Fate[]>
}

/** Resolves when all wait: none of them can be answered without a majority. */
export async function callAll(t: TestContext, node: Node, lone: string): Promise<PendingCalls> {
  const calls = callsOf(node, lone, await tcpServer(t))
  let over = 0
  const fates = calls.map(async ({ what, run }): Promise<Fate> => {
    try {
      return { what, code: 'none', outcome: JSON.stringify(await run()) }
    } catch (error) {
      const { code, outcome } = error as SkiffError
      return { what, code, outcome }
    } finally {
      over++
    }
  })
  // The questions of this turn are asked at its end.
  await until(() => node.status().pending.requests > 0, 'calls wait')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(over, 0, 'all of them wait')
  return {
    expected: (code) => calls.map(({ what, outcome }) => ({ what, code, outcome })),
    fates: Promise.all(fates),
  }
}
