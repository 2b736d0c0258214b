/** Whom a node that starts asks for admission, and whether those it belongs to will have it. */
import { setTimeout } from 'node:timers/promises'
import { SkiffError } from '../errors.ts'
import type { PeerAddress } from '../messages.ts'
import type { PeerIdentity } from './identity.ts'
import type { Network } from './network.ts'
import { RefusedError } from './refusal.ts'

/** A member that answers, and its cluster. */
export interface Seed extends PeerAddress {
  readonly clusterId: string
}

/** How long a member that starts waits to hear that it belongs elsewhere, or that it is there already. */
const belongingProbeMs = 1_000
/** How long it may take until everybody has noticed that the process before this one is gone. */
const occupiedMs = 2_500
/** Between two rounds of asking those to join. */
const probeAgainMs = 200

/**
 * A member needs nobody in order to start. But if those it should join refuse it, it is none of theirs; and
 * whoever remembers it may know that it is a copy, which is then disowned. Those that answer may be elsewhere
 * than its log says.
 * @throws SkiffError the refusal
 */
export async function checkBelonging(
  network: Network,
  join: readonly string[],
  members: readonly PeerAddress[],
  disown: (error: SkiffError) => Promise<void>,
): Promise<void> {
  const deadline = performance.now() + occupiedMs
  const addresses = new Set([...join, ...members.map(({ address }) => address)])
  await Promise.all(
    [...addresses].map(async (address) => {
      const answer = await askIn(network, address, deadline)
      // Another cluster may have moved in where a member was. Where it should join that is a mistake.
      const matters = join.includes(address) ? !isSilence(answer) : isAboutUs(answer)
      if (answer instanceof RefusedError && answer.kind === 'copied') await disown(answer)
      if (answer instanceof SkiffError && matters) throw answer
      if (!(answer instanceof SkiffError)) network.found({ id: answer.nodeId, address })
    }),
  )
}

/** Asks again while the process before this one seems to be there. */
async function askIn(
  network: Network,
  address: string,
  deadline: number,
): Promise<PeerIdentity | SkiffError> {
  for (;;) {
    const answer = await network.probe(address, { timeoutMs: belongingProbeMs }).catch(skiffError)
    const occupied = answer instanceof RefusedError && answer.kind === 'occupied'
    if (!occupied || performance.now() + probeAgainMs > deadline) return answer
    await setTimeout(probeAgainMs)
  }
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
  if (isSilence(error)) return error
  throw error
}

function isSilence(answer: unknown): answer is SkiffError {
  return answer instanceof SkiffError && answer.code === 'SKIFF_CONFIG'
}

function isAboutUs(answer: unknown): boolean {
  return answer instanceof RefusedError && (answer.kind === 'copied' || answer.kind === 'occupied')
}

function skiffError(error: unknown): SkiffError {
  if (error instanceof SkiffError) return error
  throw error
}
