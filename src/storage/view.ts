/** What main is shown of the cluster as this node sees it: who leads, who belongs to it, whom to dial. */
import type { NodeView, PeerAddress, StorageToNetwork } from '../messages.ts'
import { everyone, isJoint } from '../raft/membership.ts'
import type { Raft } from '../raft/raft.ts'
import type { Configuration, NodeId } from '../raft/types.ts'
import type { Changes } from './changes.ts'
import type { StateMachine } from './state-machine.ts'
import type { Watchers } from './watchers.ts'

export interface ViewParts {
  readonly raft: Raft
  readonly state: StateMachine
  readonly changes: Changes
  readonly watchers: Watchers
}

export class View {
  readonly #parts: ViewParts
  #wasMember: boolean
  #shown = ''
  /** What it was made of when it was last looked at. */
  #sources: readonly unknown[] = []

  constructor(parts: ViewParts) {
    this.#parts = parts
    this.#wasMember = parts.state.membership.members.length > 0
  }

  /** These were the members once. */
  applied(configuration: Configuration): void {
    this.#wasMember ||= includes(configuration, this.#parts.raft.id)
  }

  /** What is to be shown, if that is anything new. */
  take(): StorageToNetwork | null {
    const { raft, changes, state, watchers } = this.#parts
    const { membership: applied } = state
    const { role, term, leaderId } = raft.status
    const { membership: latest, leaving, forgetful } = raft
    const sources = [role, term, leaderId, applied, latest, ...forgetful, ...leaving]
    sources.push(...changes.contacts)
    if (sameItems(sources, this.#sources)) return null
    this.#sources = sources
    // While the log still brings us back, as when an old one is applied again, we are not out.
    watchers.follow(this.#wasMember && ![applied, latest].some((all) => includes(all, raft.id)))
    const members = everyone(applied)
    const view: NodeView = { role, term, leaderId, members, isJoint: isJoint(applied) }
    // Also those whose removal is not committed yet: a leader among them waits for our acknowledgement.
    const wanted = [...changes.contacts, ...members, ...everyone(latest), ...leaving]
    const peers = new Map<NodeId, PeerAddress>()
    for (const { id, address } of wanted) if (id !== raft.id) peers.set(id, { id, address })
    const message: StorageToNetwork = {
      ...{ type: 'view', view, peers: [...peers.values()], forgetful },
    }
    const shown = JSON.stringify(message)
    if (shown === this.#shown) return null
    this.#shown = shown
    return message
  }
}

function includes(configuration: Configuration, node: NodeId): boolean {
  return everyone(configuration).some(({ id }) => id === node)
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}
