/** What main is shown of the cluster as this node sees it: who leads, who belongs to it, whom to dial. */
import type { NodeView, PeerAddress, StorageToNetwork } from '../messages.ts'
import type { Raft } from '../raft/raft.ts'
import type { Membership, NodeId } from '../raft/types.ts'
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
  applied(members: Membership): void {
    this.#wasMember ||= includes(members, this.#parts.raft.id)
  }

  /** What is to be shown, if that is anything new. */
  take(): StorageToNetwork | null {
    const { raft, changes, state, watchers } = this.#parts
    const { members: applied } = state.membership
    const { role, term, leaderId } = raft.status
    const { members: latest } = raft.membership
    const { leaving, forgetful } = raft
    const sources = [role, term, leaderId, applied, latest, ...forgetful, ...leaving]
    sources.push(...changes.contacts)
    if (sameItems(sources, this.#sources)) return null
    this.#sources = sources
    // While the log still brings us back, as when an old one is applied again, we are not out.
    watchers.follow(this.#wasMember && ![applied, latest].some((all) => includes(all, raft.id)))
    const view: NodeView = { role, term, leaderId, members: applied }
    // Also those whose removal is not committed yet: a leader among them waits for our acknowledgement.
    const wanted = [...changes.contacts, ...applied, ...latest, ...leaving]
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

function includes(members: Membership, node: NodeId): boolean {
  return members.some(({ id }) => id === node)
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n])
}
