import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../src/network/admission.ts'
import type { LocalIdentity } from '../../src/network/identity.ts'
import { refusal } from '../../src/network/refusal.ts'
import { clusterA, clusterB, helloOf } from './fixture.ts'

const here = '2222222222222222'
const there = '1111111111111111'

interface Scene {
  readonly clusterId?: string | null
  readonly adoptable?: boolean
  readonly adopt?: (clusterId: string) => Promise<void>
}

function admissionOf({ clusterId = clusterA, adoptable = false, adopt }: Scene = {}): {
  admission: Admission
  identity: LocalIdentity
} {
  const identity = { nodeId: here, incarnation: 5, address: 'here:1', clusterId }
  const admission = new Admission({ identity, adoptable, adopt: adopt ?? (async () => undefined) })
  return { admission, identity }
}

const membership = (reason: string) => refusal('membership', reason)

test('a node of the same cluster comes in', async () => {
  const { admission } = admissionOf()
  assert.equal(await admission.admit(helloOf({ expectedId: here })), null)
})

test('a node of another cluster is refused, naming both clusters', async () => {
  const { admission } = admissionOf()
  const why = membership(`wrong cluster: ${clusterB} dialled ${clusterA}`)
  assert.deepEqual(await admission.admit(helloOf({ clusterId: clusterB })), why)
  assert.deepEqual(await admission.admit(helloOf({ clusterId: clusterB, purpose: 'probe' })), why)
})

test('a node of no cluster may link to a member, to ask to be let in', async () => {
  const { admission } = admissionOf()
  assert.equal(await admission.admit(helloOf({ clusterId: null })), null)
})

test('two nodes of no cluster may probe each other but not link', async () => {
  const { admission } = admissionOf({ clusterId: null, adoptable: true })
  assert.equal(await admission.admit(helloOf({ clusterId: null, purpose: 'probe' })), null)
  assert.deepEqual(
    await admission.admit(helloOf({ clusterId: null })),
    membership('neither node belongs to a cluster'),
  )
})

test('a node that was dialled as another is refused, naming both', async () => {
  const { admission } = admissionOf()
  assert.deepEqual(
    await admission.admit(helloOf({ expectedId: '3333333333333333' })),
    membership('expected node 3333333333333333, met node 2222222222222222'),
  )
})

test('a node linked to itself is refused; a probe may find out who it has reached', async () => {
  const { admission } = admissionOf()
  const self = { nodeId: here, incarnation: 5 }
  assert.deepEqual(await admission.admit(helloOf(self)), membership('connected to itself'))
  assert.equal(await admission.admit(helloOf({ ...self, purpose: 'probe' })), null)
})

test('two processes of the same node are told apart from a node that dialled itself', async () => {
  const { admission } = admissionOf()
  const why = membership(`two processes run as node ${here}, incarnations 6 and 5`)
  assert.deepEqual(await admission.admit(helloOf({ nodeId: here, incarnation: 6 })), why)
})

test('an incarnation older than one seen before is refused, at either end', async () => {
  const { admission } = admissionOf()
  const own = helloOf({ nodeId: here, incarnation: 5 })
  assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
  const why = membership(`stale: node ${there} was seen with incarnation 8, this is 7`)
  assert.deepEqual(await admission.admit(helloOf({ incarnation: 7 })), why)
  assert.deepEqual(admission.welcomed(own, helloOf({ purpose: 'answer', incarnation: 7 })), why)
  assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
  assert.equal(admission.welcomed(own, helloOf({ purpose: 'answer', incarnation: 9 })), null)
  assert.equal((await admission.admit(helloOf({ incarnation: 8 })))?.kind, 'membership')
})

test('a refused node leaves no incarnation behind that would lock out the right one', async () => {
  const { admission } = admissionOf()
  await admission.admit(helloOf({ clusterId: clusterB, incarnation: 99 }))
  assert.equal(await admission.admit(helloOf({ incarnation: 1 })), null)
})

test('a node of no cluster that waits for none to adopt it refuses members', async () => {
  const { admission } = admissionOf({ clusterId: null })
  const why = membership('belongs to no cluster yet')
  assert.deepEqual(await admission.admit(helloOf()), why)
  assert.deepEqual(await admission.admit(helloOf({ purpose: 'probe' })), why)
})

test('a link adopts a node that waits for it, and only once that is durable', async () => {
  const steps: string[] = []
  const { admission, identity } = admissionOf({
    clusterId: null,
    adoptable: true,
    adopt: async (clusterId) => {
      steps.push(`storing ${clusterId} while in ${identity.clusterId}`)
      await Promise.resolve()
      steps.push('stored')
    },
  })
  assert.equal(await admission.admit(helloOf()), null)
  assert.deepEqual(steps, [`storing ${clusterA} while in null`, 'stored'])
  assert.equal(identity.clusterId, clusterA)
})

test('a probe adopts nobody', async () => {
  const { admission, identity } = admissionOf({
    clusterId: null,
    adoptable: true,
    adopt: async () => assert.fail('adopted'),
  })
  assert.equal(await admission.admit(helloOf({ purpose: 'probe' })), null)
  assert.equal(identity.clusterId, null)
})

test('of two clusters that adopt at once the first wins and the second is refused', async () => {
  const adopted: string[] = []
  const { admission, identity } = admissionOf({
    clusterId: null,
    adoptable: true,
    adopt: async (clusterId) => void adopted.push(clusterId),
  })
  const verdicts = await Promise.all([
    admission.admit(helloOf({ clusterId: clusterA })),
    admission.admit(helloOf({ clusterId: clusterB, nodeId: '4444444444444444' })),
    admission.admit(helloOf({ clusterId: clusterA, nodeId: '5555555555555555' })),
  ])
  const why = membership(`wrong cluster: ${clusterB} dialled ${clusterA}`)
  assert.deepEqual(verdicts, [null, why, null])
  assert.deepEqual(adopted, [clusterA])
  assert.equal(identity.clusterId, clusterA)
})

test('an adoption that could not be stored refuses, and may be tried again', async () => {
  let disk = 'full'
  const { admission, identity } = admissionOf({
    clusterId: null,
    adoptable: true,
    adopt: async () => assert.notEqual(disk, 'full', 'the disk is full'),
  })
  const why = refusal('unavailable', 'cannot enter the cluster: the disk is full')
  assert.deepEqual(await admission.admit(helloOf()), why)
  assert.equal(identity.clusterId, null)
  disk = 'empty'
  assert.equal(await admission.admit(helloOf()), null)
  assert.equal(identity.clusterId, clusterA)
})
