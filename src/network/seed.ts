/** Whom a node that starts asks for admission, and whether it belongs to those it should join. */
import { setTimeout } from 'node:timers/promises'
import { SkiffError } from '../errors.ts'
import type { PeerAddress } from '../messages.ts'
import type { Network } from './network.ts'

/** A member that answers, and its cluster. */
export interface Seed extends PeerAddress {
  readonly clusterId: string
}

/** How long a member that starts waits to hear that it belongs elsewhere. */
const belongingProbeMs = 1_000
/** Between two rounds of asking those to join. */
const probeAgainMs = 200

/**
 * A member needs nobody in order to start. But if those it should join refuse it, it is none of theirs.
 * @throws SkiffError the refusal
 */
export async function checkBelonging(
  network: Network,
  addresses: readonly string[],
): Promise<void> {
  const probes = addresses.map((address) =>
    network.probe(address, { timeoutMs: belongingProbeMs }).catch(silence),
  )
  await Promise.all(probes)
}

/**
 * The first of the addresses where a member answers. A refusal is final, silence is not: machines that are
 * started together do not come up together, so it asks until `timeoutMs` has passed. Those still to be asked
 * share what is left of it: one that says nothing takes no other's time.
 * @throws SkiffError `SKIFF_CONFIG` when nobody has answered, or the refusal
 */
export async function findSeed(
  network: Network,
  addresses: readonly string[],
  timeoutMs: number,
): Promise<Seed> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const failures: string[] = []
    for (const [n, address] of addresses.entries()) {
      const shareMs = (deadline - performance.now()) / (addresses.length - n)
      const share = { timeoutMs: Math.max(1, Math.ceil(shareMs)) }
      const answer = await network.probe(address, share).catch(silence)
      if (answer instanceof SkiffError) failures.push(answer.message)
      else if (answer.clusterId === null) failures.push(`${address} belongs to no cluster yet`)
      else return { id: answer.nodeId, address, clusterId: answer.clusterId }
    }
    if (performance.now() + probeAgainMs < deadline) await setTimeout(probeAgainMs)
    else throw nobodyToJoin(failures)
  }
}

function nobodyToJoin(failures: readonly string[]): SkiffError {
  const message = `no member answers where this node should join: ${failures.join('; ')}. Is one running?`
  return new SkiffError('SKIFF_CONFIG', 'not-applied', message)
}

/** Nobody there, or nobody yet. Anything else is a refusal. */
function silence(error: unknown): SkiffError {
  if (error instanceof SkiffError && error.code === 'SKIFF_CONFIG') return error
  throw error
}
