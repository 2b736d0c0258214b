/**
 * The client of etcd: KV.Put and KV.Range of its v3 API, to one member. Reads are linearizable and puts
 * durable, both being what a request gets that asks for nothing else.
 */
import { GrpcClient } from './grpc.ts'
import type { PeerClient } from './peer.ts'
import { bytesOf, encodeBytes, integerOf } from './protobuf.ts'

/** Field numbers of etcd's `rpc.proto` and `kv.proto`. */
const requestKey = 1
const putValue = 2
const rangeKvs = 2
const kvValue = 5
const statusHeader = 1
const headerMember = 2
const headerTerm = 4
const statusLeader = 4

const empty = Buffer.alloc(0)

export interface MemberStatus {
  readonly id: bigint
  /** 0: none is known. */
  readonly leaderId: bigint
  readonly term: bigint
}

export async function connectMember(address: string): Promise<PeerClient> {
  const client = await GrpcClient.connect(address)
  return {
    put: (key, value) => client.call('etcdserverpb.KV/Put', encodePut(key, value)),
    async get(key) {
      return decodeRange(await client.call('etcdserverpb.KV/Range', encodeRange(key)))
    },
    close: () => client.close(),
  }
}

export async function statusOf(address: string): Promise<MemberStatus> {
  const client = await GrpcClient.connect(address, 1)
  try {
    return decodeStatus(await client.call('etcdserverpb.Maintenance/Status', empty))
  } finally {
    await client.close()
  }
}

export function encodePut(key: string, value: Buffer): Buffer {
  return Buffer.concat([encodeRange(key), encodeBytes(putValue, value)])
}

export function encodeRange(key: string): Buffer {
  return encodeBytes(requestKey, Buffer.from(key))
}

export function decodeRange(response: Buffer): Buffer | undefined {
  const found = bytesOf(response, rangeKvs)
  return found === undefined ? undefined : (bytesOf(found, kvValue) ?? empty)
}

export function decodeStatus(response: Buffer): MemberStatus {
  const header = bytesOf(response, statusHeader) ?? empty
  return {
    id: integerOf(header, headerMember),
    leaderId: integerOf(response, statusLeader),
    term: integerOf(header, headerTerm),
  }
}
