/** The three actors of one node, and the channels between them. */
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Control } from './actor/control.ts'
import { ActorHost } from './actor/host.ts'
import { openPort, type Port, pick } from './actor/port.ts'
import { type FrameListener, NetworkLane } from './codec/lane.ts'
import { hostCodec } from './codec/service.ts'
import type { NetworkToStorage, StorageToNetwork } from './messages.ts'
import {
  appendBytesMax,
  appendEntriesMax,
  appendsInFlightMax,
  type ResolvedOptions,
  uncommittedBytesMax,
} from './options.ts'
import type { NodeId } from './raft/types.ts'
import { createBoard } from './storage/board.ts'
import type { StorageControl, StorageInit } from './storage/service.ts'

export class Actors {
  readonly storage: Port<NetworkToStorage, StorageToNetwork>
  readonly control: Control<StorageControl>
  readonly board: SharedArrayBuffer = createBoard()
  readonly #lanes: readonly NetworkLane[]
  readonly #host: ActorHost
  /** Every actor's end. */
  readonly #ends: readonly Promise<void>[]
  #flushScheduled = false

  /** `died` hears of an actor that failed; never of one that was told to end. */
  constructor(dir: string, options: ResolvedOptions, died: (error: unknown) => void) {
    const codecThreads = options.workers - 1
    const channels = Array.from({ length: Math.max(1, codecThreads) }, () => new LaneChannels())
    const storage = new MessageChannel()
    const control = new MessageChannel()
    this.#host = new ActorHost(options.workers)
    this.storage = openPort(storage.port1)
    this.control = new Control(control.port1)
    this.#lanes = channels.map(
      ({ toNetwork, direct }) => new NetworkLane(openPort(toNetwork.port1), openPort(direct.port1)),
    )

    const init: StorageInit = {
      ...storageSettings(dir, options),
      board: this.board,
      network: storage.port2,
      lanes: channels.map(({ toStorage, direct }) => ({
        codec: toStorage.port1,
        direct: direct.port2,
      })),
      control: control.port2,
    }
    const lanePorts = init.lanes.flatMap(({ codec, direct }) => [codec, direct])
    const ports = [storage.port2, control.port2, ...lanePorts]
    const tasks = [this.#host.run({ entrance: 'storage', init, ports })]
    for (const each of channels) tasks.push(this.#startCodec(each, codecThreads > 0))
    this.#ends = tasks.map((task) => task.catch(died))
  }

  /** A frame of this peer, to be decoded. Those of one event-loop turn go together; the bytes are moved. */
  decode(from: NodeId, bytes: Uint8Array): void {
    pick(this.#lanes, from).post(from, bytes)
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(() => {
      this.#flushScheduled = false
      for (const lane of this.#lanes) lane.flush()
    })
  }

  /** From now on `listener` is told what is to be sent, and who sent what is no frame. */
  hearFrames(listener: FrameListener): void {
    for (const lane of this.#lanes) lane.hear(listener)
  }

  /** After storage was closed by way of `control`, or has died. */
  async close(): Promise<void> {
    this.control.close()
    this.storage.close()
    for (const lane of this.#lanes) lane.close()
    await Promise.all(this.#ends)
    await this.#host.close()
  }

  #startCodec({ toNetwork, toStorage }: LaneChannels, ownThread: boolean): Promise<void> {
    const init = { network: toNetwork.port2, storage: toStorage.port2 }
    if (!ownThread) return hostCodec(init)
    return this.#host.run({ entrance: 'codec', init, ports: [init.network, init.storage] })
  }
}

class LaneChannels {
  readonly toNetwork: { port1: MessagePort; port2: MessagePort } = new MessageChannel()
  readonly toStorage: { port1: MessagePort; port2: MessagePort } = new MessageChannel()
  /** Past the codec, from network to storage. */
  readonly direct: { port1: MessagePort; port2: MessagePort } = new MessageChannel()
}

function storageSettings(dir: string, options: ResolvedOptions) {
  const { heartbeatTicks, electionTicksMin, electionTicksMax } = options
  const { watcherBytesMax, diskFreeBytesMin, snapshotLogBytes } = options
  const limits = {
    heartbeatTicks,
    electionTicksMin,
    electionTicksMax,
    appendEntriesMax,
    appendBytesMax,
    appendsInFlightMax,
    uncommittedBytesMax,
  }
  return { dir, limits, watcherBytesMax, diskFreeBytesMin, snapshotLogBytes }
}
