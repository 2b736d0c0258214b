/**
 * Who may talk to us, once the secret is proven: the right node, of the same cluster, and no process
 * older than one we have met. Both ends ask the same questions, the listener before it says welcome,
 * the dialer before it uses the link.
 *
 * A node without a cluster is adopted here by the first member that links to it. A probe only looks: it
 * never changes which cluster a node belongs to.
 */
import { messageOf } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import type { NodeId } from '../raft/types.ts'
import type { Hello } from './hello.ts'
import type { LocalIdentity, PeerIdentity } from './identity.ts'
import { type Refusal, refusal } from './refusal.ts'

export interface AdmissionOptions {
  readonly identity: LocalIdentity
  /** Without a cluster of our own, may a member of one take us in? */
  readonly adoptable: boolean
  /** Makes the cluster id durable. */
  readonly adopt: (clusterId: string) => Promise<void>
}

export class Admission {
  readonly #identity: LocalIdentity
  readonly #adoptable: boolean
  readonly #adopt: (clusterId: string) => Promise<void>
  /** The adoption under way. Whoever comes meanwhile waits for it, and is then judged. */
  #adoption: Promise<void> | null = null
  /** Highest incarnation met per node. Only those who know the secret get in here. */
  readonly #incarnations = new Map<NodeId, number>()

  constructor({ identity, adoptable, adopt }: AdmissionOptions) {
    this.#identity = identity
    this.#adoptable = adoptable
    this.#adopt = adopt
  }

  /** A dialer has proven the secret. Never rejects. */
  async admit(dialer: Hello): Promise<Refusal | null> {
    if (this.#judge(dialer) === null && this.#mustAdopt(dialer)) {
      try {
        await this.#adoptOnce(dialer)
      } catch (error) {
        // The owner of `adopt` knows the failure as its own; here it only means "not now".
        return refusal('unavailable', `cannot enter the cluster: ${messageOf(error)}`)
      }
    }
    // Judged again, because meanwhile it may have been another cluster that adopted us.
    const verdict = this.#judge(dialer)
    if (verdict === null) this.#meet(dialer)
    return verdict
  }

  /** The listener we dialled has proven the secret. */
  welcomed(own: Hello, listener: Hello): Refusal | null {
    const verdict = disagreement(own, listener) ?? this.#stale(listener)
    if (verdict === null) this.#meet(listener)
    return verdict
  }

  #judge(dialer: Hello): Refusal | null {
    const { clusterId } = this.#identity
    if (clusterId === null && dialer.clusterId !== null && !this.#adoptable) {
      return membership('belongs to no cluster yet')
    }
    return disagreement(dialer, this.#identity) ?? this.#stale(dialer)
  }

  #mustAdopt({ purpose, clusterId }: Hello): boolean {
    return purpose === 'link' && clusterId !== null && this.#identity.clusterId === null
  }

  async #adoptOnce({ clusterId }: Hello): Promise<void> {
    assert(clusterId !== null, 'only a member of a cluster can adopt')
    this.#adoption ??= this.#adoptInto(clusterId).finally(() => {
      this.#adoption = null
    })
    await this.#adoption
  }

  async #adoptInto(clusterId: string): Promise<void> {
    await this.#adopt(clusterId)
    this.#identity.clusterId = clusterId
  }

  #stale({ nodeId, incarnation }: Hello): Refusal | null {
    const seen = this.#incarnations.get(nodeId) ?? incarnation
    if (incarnation >= seen) return null
    return membership(
      `stale: node ${nodeId} was seen with incarnation ${seen}, this is ${incarnation}`,
    )
  }

  #meet({ nodeId, incarnation }: Hello): void {
    this.#incarnations.set(nodeId, incarnation)
  }
}

/** What keeps these two apart, as either of them sees it. */
function disagreement(dialer: Hello, listener: PeerIdentity): Refusal | null {
  if (dialer.nodeId === listener.nodeId) {
    if (dialer.incarnation !== listener.incarnation) return membership(copied(dialer, listener))
    if (dialer.purpose === 'link') return membership('connected to itself')
  }
  if (dialer.expectedId !== null && dialer.expectedId !== listener.nodeId) {
    return membership(`expected node ${dialer.expectedId}, met node ${listener.nodeId}`)
  }
  if (dialer.clusterId === null && listener.clusterId === null && dialer.purpose === 'link') {
    return membership('neither node belongs to a cluster')
  }
  if (dialer.clusterId === null || listener.clusterId === null) return null
  if (dialer.clusterId === listener.clusterId) return null
  return membership(`wrong cluster: ${dialer.clusterId} dialled ${listener.clusterId}`)
}

function copied(dialer: PeerIdentity, listener: PeerIdentity): string {
  return `two processes run as node ${dialer.nodeId}, incarnations ${dialer.incarnation} and ${listener.incarnation}`
}

function membership(reason: string): Refusal {
  return refusal('membership', reason)
}
