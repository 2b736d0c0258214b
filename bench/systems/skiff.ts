/** Ours, in each of its ways: which processes there are, and in which of them the callers are. */
import { join } from 'node:path'
import { LoadedMember } from '../member.ts'
import type { SkiffTarget } from './skiff-client.ts'
import { moduleAt, type RunningSystem, type System } from './system.ts'

const module = moduleAt('./skiff-client.js', import.meta.url)
const workersByDefault = 2
const members = 3

/** One program that is the whole cluster. */
export function whole(nodes: number, workers: number = workersByDefault): System {
  const size = nodes === 1 ? '1 node' : `${nodes} nodes in one process`
  return {
    name: `skiff, ${size}${workersNote(workers)}`,
    nodes,
    canPause: true,
    unavailable: () => null,
    start: async (dir) => running({ way: 'whole', dir, nodes, workers }, []),
  }
}

/** As users would have it: each member a process, and the callers in that of the leader. */
export function onTheLeader(nodes: number = members, workers: number = workersByDefault): System {
  return {
    name: `skiff, ${nodes} members, on the leader${workersNote(workers)}`,
    nodes,
    canPause: true,
    unavailable: () => null,
    start: (dir) => startAround('leader', dir, nodes - 1, workers),
  }
}

/** Each member a process, and the callers in a program of their own. */
export function overTheNetwork(nodes: number = members): System {
  return {
    name: `skiff, ${nodes} members, over the network`,
    nodes,
    canPause: true,
    unavailable: () => null,
    start: (dir) => startAround('learner', dir, nodes, workersByDefault),
  }
}

function workersNote(workers: number): string {
  return workers === workersByDefault ? '' : `, ${workers} worker${workers === 1 ? '' : 's'}`
}

async function startAround(
  way: 'leader' | 'learner',
  dir: string,
  processes: number,
  workers: number,
): Promise<RunningSystem> {
  const started: LoadedMember[] = []
  const addresses: string[] = []
  try {
    for (let n = 1; n <= processes; n++) {
      const member = LoadedMember.start()
      started.push(member)
      const seeds = addresses.length === 0 ? {} : { join: addresses.slice(0, 1) }
      const folder = join(dir, `member-${n}`)
      const { address } = await member.call('open', { dir: folder, workers, ...seeds })
      addresses.push(address)
    }
  } catch (error) {
    await Promise.all(started.map((member) => member.kill()))
    throw error
  }
  return running({ way, dir: join(dir, 'callers'), members: addresses, workers }, started)
}

function running(target: SkiffTarget, processes: readonly LoadedMember[]): RunningSystem {
  return {
    place: { module, target: JSON.stringify(target) },
    pids: processes.map(({ pid }) => pid),
    isEmbedded: target.way !== 'learner',
    // The client sees every term.
    reign: async () => null,
    // Its files go with it: nobody waits for a good order.
    stop: async () => {
      await Promise.all(processes.map((member) => member.kill()))
    },
  }
}
