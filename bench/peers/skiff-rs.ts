/**
 * skiff-rs, the Rust crate that ours came from: one member or three, each a process around the crate
 * (skiff-rs/src/main.rs). Clients speak the gRPC that the crate itself serves, to the leader.
 *
 * What its numbers mean: the leader appends every 75 ms and syncs nothing of its own before it answers, so that
 * its puts are not durable there; its log is in memory, looked through entry by entry, so that it gets slower with
 * every put. Under many callers three nodes elect again and again, and lose puts that were acknowledged.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../src/cli/package-root.ts'
import { scratchRoot } from '../../src/cli/scratch.ts'
import { GrpcClient } from './grpc.ts'
import type { Peer, PeerClient, RunningPeer } from './peer.ts'
import { bytesOf, encodeBytes } from './protobuf.ts'
import { findProgram, freePorts, ServerProcess } from './server.ts'

/** Its members share a port, and so need an address each: all of 127.0.0.0/8 is ours on Linux. */
const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3']
/** What cargo builds stays for the next run. */
const buildDir = join(scratchRoot, 'skiff-rs')
const program = join(buildDir, 'release', 'skiff-rs-member')

/** Field numbers of the crate's `skiff.proto`. */
const requestKey = 1
const insertValue = 2
const getValue = 1

export const skiffRsSingle: Peer = peerOf(1, 'skiff-rs, 1 node')
export const skiffRsTriple: Peer = peerOf(3, 'skiff-rs, 3 nodes')

/** @param target `host:port` of a member; others pass on to the leader */
export async function connect(target: string): Promise<PeerClient> {
  const client = await GrpcClient.connect(target)
  return {
    put: (key, value) => client.call('skiff.Skiff/Insert', encodeInsert(key, value)),
    async get(key) {
      return bytesOf(await client.call('skiff.Skiff/Get', encodeGet(key)), getValue)
    },
    close: () => client.close(),
  }
}

export function encodeInsert(key: string, value: Buffer): Buffer {
  return Buffer.concat([encodeGet(key), encodeBytes(insertValue, value)])
}

function encodeGet(key: string): Buffer {
  return encodeBytes(requestKey, Buffer.from(key))
}

function peerOf(nodes: number, name: string): Peer {
  return { name, nodes, unavailable, start: (dir) => startSkiffRs(dir, nodes) }
}

function unavailable(): string | null {
  if (process.platform !== 'linux') return 'it needs the addresses 127.0.0.2 and 127.0.0.3 of Linux'
  if (findProgram(program) !== null) return null
  if (findProgram('cargo') === null) return 'there is no cargo: apt-get install -y cargo'
  if (findProgram('protoc') === null)
    return 'there is no protoc: apt-get install -y protobuf-compiler'
  return null
}

async function startSkiffRs(dir: string, nodes: number): Promise<RunningPeer> {
  await build()
  await mkdir(dir, { recursive: true })
  const [port] = await freePorts(1)
  const servers: ServerProcess[] = []
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
  try {
    for (const address of addresses.slice(0, nodes)) {
      const seed = servers.length === 0 ? [] : addresses.slice(0, 1)
      servers.push(new ServerProcess(program, [join(dir, address), `${port}`, address, ...seed]))
      // One after the other: one that asks to join before there is a leader stays outside.
      await Promise.all(servers.map((server) => untilKnown(server, servers.length)))
    }
    return {
      target: `${addresses[0]}:${port}`,
      pids: servers.map(({ pid }) => pid),
      stop,
      reign: async () => servers.map(({ output }) => output.trim().split('\n').at(-1)).join('; '),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function untilKnown(server: ServerProcess, members: number): Promise<boolean> {
  const line = `${members} members`
  return server.untilReady(async () => server.output.includes(line) || undefined)
}

/** Minutes the first time, so what cargo says is shown. */
async function build(): Promise<void> {
  if (findProgram('cargo') === null) return
  const manifest = join(packageRoot(import.meta.dirname), 'bench/peers/skiff-rs/Cargo.toml')
  const words = ['build', '--release', '--locked', '--quiet']
  const args = [...words, '--manifest-path', manifest, '--target-dir', buildDir]
  const cargo = spawn('cargo', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [code] = await once(cargo, 'close')
  if (code !== 0) throw new Error(`cargo build of skiff-rs-member ended with ${code}`)
}
