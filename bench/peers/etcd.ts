/**
 * etcd, three members as processes on this machine with their default settings: puts are durable on a
 * majority, reads linearizable. Clients go straight to the leader, so that no put pays a hop that ours,
 * measured on the leader too, does not.
 */
import { join } from 'node:path'
import { connectMember, statusOf } from './etcd-client.ts'
import type { Peer, PeerClient, RunningPeer } from './peer.ts'
import { findProgram, freePorts, ServerProcess } from './server.ts'

interface Target {
  readonly members: readonly string[]
}

interface MemberAddress {
  readonly name: string
  readonly client: string
  readonly peer: string
}

const members = 3
const host = '127.0.0.1'
/** Of its default, 2 GiB, the old values of a run's puts would fill much; the most that etcd advises. */
const quotaBytes = 8 * 2 ** 30
/** A binary to be used instead of the one on PATH. */
const programVariable = 'SKIFF_BENCH_ETCD'

export const etcd: Peer = {
  name: `etcd, ${members} members`,
  nodes: members,
  unavailable() {
    if (program() !== null) return null
    const named = process.env[programVariable]
    return named === undefined
      ? 'there is no etcd: apt-get install -y etcd-server'
      : `there is no program ${named}`
  },
  start: startEtcd,
}

/** To the leader. */
export async function connect(target: string): Promise<PeerClient> {
  const { members }: Target = JSON.parse(target)
  const { leader } = await findLeader(members)
  return connectMember(leader)
}

async function startEtcd(dir: string): Promise<RunningPeer> {
  const addresses = await chooseAddresses()
  const all = addresses.map(({ name, peer }) => `${name}=http://${peer}`).join(',')
  const servers = addresses.map((address) => startMember(dir, address, all))
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    const clients = addresses.map(({ client }) => client)
    await Promise.all(servers.map((server) => server.untilReady(() => findLeader(clients))))
    const target: Target = { members: clients }
    return {
      target: JSON.stringify(target),
      pids: servers.map(({ pid }) => pid),
      stop,
      reign: async () => (await findLeader(clients)).reign,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function chooseAddresses(): Promise<MemberAddress[]> {
  const ports = await freePorts(2 * members)
  return Array.from({ length: members }, (_, index) => ({
    name: `member${index + 1}`,
    client: `${host}:${ports[2 * index]}`,
    peer: `${host}:${ports[2 * index + 1]}`,
  }))
}

function startMember(dir: string, { name, client, peer }: MemberAddress, all: string) {
  const settings = {
    name,
    'data-dir': join(dir, name),
    'listen-client-urls': `http://${client}`,
    'advertise-client-urls': `http://${client}`,
    'listen-peer-urls': `http://${peer}`,
    'initial-advertise-peer-urls': `http://${peer}`,
    'initial-cluster': all,
    'initial-cluster-state': 'new',
    'initial-cluster-token': dir,
    'quota-backend-bytes': `${quotaBytes}`,
  }
  const args = Object.entries(settings).map(([setting, value]) => `--${setting}=${value}`)
  return new ServerProcess(program() ?? 'etcd', args)
}

/** The member that all three hold for the leader, and its term. */
async function findLeader(members: readonly string[]): Promise<{ leader: string; reign: string }> {
  const statuses = await Promise.all(members.map(statusOf))
  const leaders = new Set(statuses.map(({ leaderId }) => leaderId))
  const leader = members[statuses.findIndex(({ id }) => leaders.has(id))]
  if (leaders.size !== 1 || leader === undefined) throw new Error('no leader that all agree on')
  const term = Math.max(...statuses.map(({ term }) => Number(term)))
  return { leader, reign: `${leader} in term ${term}` }
}

function program(): string | null {
  return findProgram(process.env[programVariable] ?? 'etcd')
}
