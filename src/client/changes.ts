/**
 * The callers' changes of the membership. Storage asks the leader until the change is cancelled here; that
 * it is done is seen in the members as this node has applied them.
 */
import type { Port } from '../actor/port.ts'
import { SkiffError } from '../errors.ts'
import type {
  ChangeAnswer,
  MembershipChange,
  NetworkToStorage,
  NodeView,
  PeerAddress,
  StorageToNetwork,
} from '../messages.ts'
import type { CallOptions } from '../options.ts'
import type { ViewBoard } from './view.ts'

export class Changes {
  readonly #port: Port<NetworkToStorage, StorageToNetwork>
  readonly #views: ViewBoard
  readonly #refused = new Map<number, (reason: string) => void>()
  #ids = 0

  constructor(port: Port<NetworkToStorage, StorageToNetwork>, views: ViewBoard) {
    this.#port = port
    this.#views = views
  }

  /** @throws SkiffError `SKIFF_MEMBERSHIP`, `SKIFF_NO_LEADER`, `SKIFF_TIMEOUT` */
  async change(
    change: MembershipChange,
    via: PeerAddress | null,
    options?: CallOptions,
  ): Promise<NodeView> {
    this.#ids++
    const id = this.#ids
    const refused = new Promise<never>((_, reject) => {
      this.#refused.set(id, (reason) =>
        reject(new SkiffError('SKIFF_MEMBERSHIP', 'not-applied', reason)),
      )
    })
    try {
      this.#post({ type: 'change', id, change, via })
      const done = this.#views.until(
        (view) => isDone(view, change),
        () => late(change),
        options,
      )
      return await Promise.race([done, refused])
    } finally {
      this.#refused.delete(id)
      this.#post({ type: 'cancelChange', id })
    }
  }

  answered(id: number, answer: ChangeAnswer): void {
    if (answer.type === 'refused') this.#refused.get(id)?.(answer.reason)
  }

  #post(message: NetworkToStorage): void {
    this.#port.post(message)
    this.#port.flush()
  }
}

function isDone({ members }: NodeView, change: MembershipChange): boolean {
  const known = members.find(({ id }) => id === change.member)
  return change.type === 'add' ? known?.role === 'voter' : known === undefined
}

function late(change: MembershipChange): SkiffError {
  const what =
    change.type === 'add'
      ? `${change.member} at ${change.address} does not vote yet`
      : `${change.member} is still a member`
  return new SkiffError(
    'SKIFF_TIMEOUT',
    'unknown',
    `${what}; the change may still happen. Is there a leader, and do the members reach each other?`,
  )
}
