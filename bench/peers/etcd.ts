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

interface Leader {
  readonly address: string
  readonly term: bigint
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
  const leader = await findLeader(members)
  if (leader === null) throw new Error('etcd has no leader')
  return connectMember(leader.address)
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
    const isLed = async () => (await findLeader(clients)) ?? undefined
    await Promise.all(servers.map((server) => server.untilReady(isLed)))
    const target: Target = { members: clients }
    return {
      target: JSON.stringify(target),
      pids: servers.map(({ pid }) => pid),
      stop,
      reign: () => reignOf(clients),
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

async function reignOf(members: readonly string[]): Promise<string> {
  const leader = await findLeader(members)
  return leader === null ? 'nobody' : `${leader.address} in term ${leader.term}`
}

/** The member that all hold for the leader, or `null`. */
async function findLeader(addresses: readonly string[]): Promise<Leader | null> {
  const ask = async (address: string) => ({ address, ...(await statusOf(address)) })
  const statuses = await Promise.all(addresses.map(ask))
  return statuses.find(({ id }) => statuses.every(({ leaderId }) => leaderId === id)) ?? null
}

function program(): string | null {
  return findProgram(process.env[programVariable] ?? 'etcd')
}
