/**
 * Who may talk to us, once the secret is proven: the right node, of the same cluster, and no process that
 * runs from a copy of its directory (lineage.ts). Both ends ask the same questions, the listener before it
 * says welcome, the dialer before it uses the link.
 *
 * What a node says, votes and acknowledgements among it, comes over the link that it has dialled: which
 * incarnation was let in is durable here before that one hears so.
 *
 * A node without a cluster is adopted here by the first member that links to it. A probe only looks: it
 * never changes which cluster a node belongs to.
 */
import { messageOf } from '../errors.ts'
import { assert } from '../raft/assert.ts'
import { descendsFrom } from '../raft/lineage.ts'
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
  /** The newest incarnation let in per node. */
  readonly met: ReadonlyMap<NodeId, number>
  /** Makes durable that this one was. */
  readonly meet: (node: NodeId, incarnation: number) => Promise<void>
}

export class Admission {
  readonly #identity: LocalIdentity
  readonly #adoptable: boolean
  readonly #adopt: (clusterId: string) => Promise<void>
  /** The adoption under way. Whoever comes meanwhile waits for it, and is then judged. */
  #adoption: Promise<void> | null = null
  /** Newest incarnation let in per node. Only those who know the secret get in here. */
  readonly #met: Map<NodeId, number>
  /** Not durable yet. */
  readonly #meetings = new Map<NodeId, Promise<void>>()
  readonly #meet: (node: NodeId, incarnation: number) => Promise<void>

  constructor({ identity, adoptable, adopt, met, meet }: AdmissionOptions) {
    this.#identity = identity
    this.#adoptable = adoptable
    this.#adopt = adopt
    this.#met = new Map(met)
    this.#meet = meet
  }

  /** A dialer has proven the secret. Never rejects. */
  async admit(dialer: Hello): Promise<Refusal | null> {
    try {
      if (this.judge(dialer) === null && this.#mustAdopt(dialer)) await this.#adoptOnce(dialer)
      // Judged anew at each step: meanwhile another cluster may have adopted us, or a copy have come in.
      if (this.judge(dialer) === null && dialer.purpose === 'link') await this.#remember(dialer)
    } catch (error) {
      // The owner of the disk knows the failure as its own; here it only means "not now".
      return refusal('unavailable', `cannot enter the cluster: ${messageOf(error)}`)
    }
    return this.judge(dialer)
  }

  /**
   * The listener we dialled has proven the secret. What it has to say it will say on a link of its own, so
   * nothing depends on our remembering it.
   */
  welcomed(own: Hello, listener: Hello): Refusal | null {
    const verdict = disagreement(own, listener)
    const copied = this.#copied(listener)
    return verdict ?? (copied === null ? null : membership(copied))
  }

  /** As things are now. */
  judge(dialer: Hello): Refusal | null {
    const { clusterId } = this.#identity
    if (clusterId === null && dialer.clusterId !== null && !this.#adoptable) {
      return membership('belongs to no cluster yet')
    }
    const copied = this.#copied(dialer)
    const verdict = disagreement(dialer, this.#identity)
    return verdict ?? (copied === null ? null : refusal('copied', copied))
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

  /** Does it run from a copy? Short, for it must fit into the frame that closes a connection. */
  #copied(hello: Hello): string | null {
    const seen = this.#met.get(hello.nodeId)
    if (seen === undefined || descendsFrom(hello, seen)) return null
    return `a copy of node ${hello.nodeId}, whose latest start was ${seen}, not one before ${hello.incarnation}`
  }

  /** In memory at once, so that of two that come together the second is judged by the first. */
  async #remember({ nodeId, incarnation }: Hello): Promise<void> {
    if (this.#met.get(nodeId) !== incarnation) {
      this.#met.set(nodeId, incarnation)
      this.#meetings.set(nodeId, this.#meet(nodeId, incarnation))
    }
    // Fails for good: whoever cannot write is about to stop.
    await this.#meetings.get(nodeId)
  }
}

/** What keeps these two apart, as either of them sees it. */
function disagreement(dialer: Hello, listener: PeerIdentity): Refusal | null {
  if (dialer.nodeId === listener.nodeId) {
    if (dialer.incarnation !== listener.incarnation) return occupied(dialer, listener)
    if (dialer.purpose === 'link') return membership('connected to itself')
  }
  if (dialer.expectedId !== null && dialer.expectedId !== listener.nodeId) {
    return membership(
      `expected node ${dialer.expectedId}, met node ${listener.nodeId}: another directory, or an empty one`,
    )
  }
  if (dialer.clusterId === null && listener.clusterId === null && dialer.purpose === 'link') {
    return membership('neither node belongs to a cluster')
  }
  if (dialer.clusterId === null || listener.clusterId === null) return null
  if (dialer.clusterId === listener.clusterId) return null
  return membership(`wrong cluster: ${dialer.clusterId} dialled ${listener.clusterId}`)
}

function occupied(dialer: PeerIdentity, listener: PeerIdentity): Refusal {
  return refusal(
    'occupied',
    `two processes run as node ${dialer.nodeId}, incarnations ${dialer.incarnation} and ${listener.incarnation}`,
  )
}

function membership(reason: string): Refusal {
  return refusal('membership', reason)
}
