/** The members of a cluster, each a process of its own, and what is expected of their processes. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClusterOptions } from '../../src/options.ts'
import type { NodeStatus } from '../../src/store.ts'
import { type Exit, type RemoteMember, startMember } from '../support/member.ts'
import { type Complaints, kept, within } from './complaints.ts'
import { SmallDisk } from './disk.ts'
import { advertisedHost, listenHost, Proxies } from './proxy.ts'

/** An election takes a second, so that a minute has room for many faults. */
export const electionTimeoutMs: readonly [min: number, max: number] = [400, 800]
const heartbeatMs = 50
/** Small disks are far larger, so that what a long run writes fits beside it. */
export const diskFreeBytesMin: number = 16 * 2 ** 20

export class Fleet {
  readonly slots: readonly Slot[]
  readonly proxies: Proxies

  constructor(slots: readonly Slot[], proxies: Proxies) {
    this.slots = slots
    this.proxies = proxies
  }

  /** Every second member has a small disk of its own, if one can be had: never a majority. */
  static async open(nodes: number, folder: string, complaints: Complaints): Promise<Fleet> {
    const proxies = new Proxies()
    const slots: Slot[] = []
    const fleet = new Fleet(slots, proxies)
    process.on('exit', fleet.#abandon)
    try {
      for (let n = 1; n <= nodes; n++) {
        const dir = join(folder, `member-${n}`)
        await mkdir(dir)
        const disk = n % 2 === 0 ? await SmallDisk.mount(dir) : null
        const port = await proxies.open(n)
        const seeds = slots.map(({ address }) => address)
        slots.push(new Slot({ n, dir, disk, port, seeds, complaints }))
      }
      for (const slot of slots) await slot.start()
      return fleet
    } catch (error) {
      await fleet.destroy()
      throw error
    }
  }

  /** As a member that answers sees it; `null` if none does. */
  async leader(): Promise<Slot | null> {
    const statuses = await Promise.all(this.slots.map((slot) => slot.glance()))
    const leaders = statuses.filter((status) => status?.role === 'leader')
    // One that was cut off may not know yet that it is none any more.
    const newest = leaders.toSorted((a, b) => (b?.term ?? 0) - (a?.term ?? 0))[0]
    return this.slots.find((slot) => slot.id !== null && slot.id === newest?.id) ?? null
  }

  /** Members and mounts must not outlive us. */
  readonly #abandon = (): void => {
    for (const slot of this.slots) slot.abandon()
  }

  /** Every process ends as told. */
  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.stop()))
  }

  /** However they are; nothing of theirs is left. */
  async destroy(): Promise<void> {
    await Promise.allSettled(this.slots.map((slot) => slot.kill()))
    await this.proxies.close()
    for (const { disk } of this.slots) await disk?.unmount()
    process.off('exit', this.#abandon)
  }
}

interface SlotOptions {
  readonly n: number
  readonly dir: string
  readonly disk: SmallDisk | null
  readonly port: number
  readonly seeds: readonly string[]
  readonly complaints: Complaints
}

/** The place of one member, whose processes come and go. */
export class Slot {
  readonly n: number
  readonly dir: string
  readonly disk: SmallDisk | null
  readonly address: string
  readonly #options: ClusterOptions
  readonly #complaints: Complaints
  #member: RemoteMember | null = null
  #isUp = false
  /** How this process may end without complaint. */
  #mayEnd: (exit: Exit) => boolean = never
  /** What this process may print. */
  #mayPrint: RegExp = nothing
  #id: string | null = null
  /** Of all its processes, each the leader of a group. */
  readonly pids: number[] = []
  readonly #upListeners: ((member: RemoteMember) => void)[] = []

  constructor({ n, dir, disk, port, seeds, complaints }: SlotOptions) {
    this.n = n
    this.dir = dir
    this.disk = disk
    this.address = `${advertisedHost(n)}:${port}`
    this.#complaints = complaints
    this.#options = {
      dir,
      listen: `${listenHost(n)}:${port}`,
      advertise: advertisedHost(n),
      secret: 'chaos',
      heartbeatMs,
      electionTimeoutMs,
      diskFreeBytesMin,
      ...(seeds.length > 0 ? { join: seeds } : {}),
    }
  }

  /** A process was opened and not yet told to end. */
  get isUp(): boolean {
    return this.#isUp
  }

  get id(): string | null {
    return this.#id
  }

  get member(): RemoteMember {
    if (this.#member === null) throw new Error(`member ${this.n} has no process`)
    return this.#member
  }

  get pid(): number {
    return this.member.pid
  }

  /** Calls back with each process that takes requests, also the one that does now. */
  onUp(listener: (member: RemoteMember) => void): void {
    this.#upListeners.push(listener)
    if (this.#isUp) listener(this.member)
  }

  async start(): Promise<void> {
    const member = startMember()
    this.#member = member
    this.pids.push(member.pid)
    this.mustLive()
    void member.exited.then((exit) => this.#ended(member, exit))
    const { id } = await kept(`member ${this.n} starts`, member.open(this.#options))
    this.#id = id
    this.#isUp = true
    for (const listener of this.#upListeners) listener(member)
  }

  /** The node that has stopped, in the process that it had. */
  async restartInside(): Promise<void> {
    this.#isUp = false
    await kept(`member ${this.n} starts in the same process`, this.member.restart())
    this.#isUp = true
    for (const listener of this.#upListeners) listener(this.member)
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#member === null) return
    this.mayEnd(() => true)
    this.#isUp = false
    await this.#member.kill()
  }

  /** Closed in good order. */
  async stop(): Promise<void> {
    this.mayEnd(({ code }) => code === 0)
    this.#isUp = false
    await kept(`member ${this.n} closes and lets its process end`, this.member.close())
  }

  /** From now on. */
  mayEnd(how: (exit: Exit) => boolean): void {
    this.#mayEnd = how
  }

  /** From now on it ends only as it is told to, and prints nothing. */
  mustLive(): void {
    this.#mayEnd = never
    this.#mayPrint = nothing
  }

  /** From now on: each line that it prints must match. */
  mayPrint(line: RegExp): void {
    this.#mayPrint = line
  }

  /** The status, unless it does not answer soon. */
  async glance(): Promise<NodeStatus | null> {
    if (!this.#isUp) return null
    let status: NodeStatus | null = null
    this.member.status().then(
      (answer) => {
        status = answer
      },
      () => undefined,
    )
    await within(glanceMs, () => status !== null)
    return status
  }

  abandon(): void {
    void this.#member?.kill()
    this.disk?.abandon()
  }

  #ended(member: RemoteMember, exit: Exit): void {
    if (this.#member === member) this.#isUp = false
    const how = `member ${this.n}: code ${exit.code}, signal ${exit.signal}\n${exit.stderr}`
    if (!this.#mayEnd(exit)) this.#complaints.add('a process ends only when it is told to', how)
    const lines = exit.stderr.split('\n').filter((line) => line !== '')
    if (!lines.every((line) => this.#mayPrint.test(line)))
      this.#complaints.add('a member has nothing to say on stderr', how)
  }
}

const nothing = /^$/
const never = (): boolean => false

/** A member that is paused does not answer. */
const glanceMs = 500
