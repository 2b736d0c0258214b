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
  readonly met?: ReadonlyMap<string, number>
  readonly meet?: (node: string, incarnation: number) => Promise<void>
}

function admissionOf({ clusterId = clusterA, adoptable = false, adopt, met, meet }: Scene = {}): {
  admission: Admission
  identity: LocalIdentity
} {
  const identity = { nodeId: here, incarnation: 5, ancestors: [], address: 'here:1', clusterId }
  const admission = new Admission({
    ...{ identity, adoptable, adopt: adopt ?? (async () => undefined) },
    ...{ met: met ?? new Map(), meet: meet ?? (async () => undefined) },
  })
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
    membership(
      'expected node 3333333333333333, met node 2222222222222222: another directory, or an empty one',
    ),
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
  const why = refusal('occupied', `two processes run as node ${here}, incarnations 6 and 5`)
  assert.deepEqual(await admission.admit(helloOf({ nodeId: here, incarnation: 6 })), why)
})

const copy = (seen: number, incarnation: number): string =>
  `a copy of node ${there}, whose latest start was ${seen}, not one before ${incarnation}`

test('an incarnation older than one let in before is refused, at either end', async () => {
  const { admission } = admissionOf()
  const own = helloOf({ nodeId: here, incarnation: 5 })
  const answer = (incarnation: number) => helloOf({ purpose: 'answer', incarnation })
  assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
  assert.deepEqual(
    await admission.admit(helloOf({ incarnation: 7 })),
    refusal('copied', copy(8, 7)),
  )
  assert.deepEqual(admission.welcomed(own, answer(7)), membership(copy(8, 7)))
  assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
  assert.equal(admission.welcomed(own, answer(9)), null)
  assert.equal(await admission.admit(helloOf({ incarnation: 9 })), null)
})

test('a newer incarnation that does not descend from the one let in is refused, at either end', async () => {
  const { admission } = admissionOf()
  const own = helloOf({ nodeId: here, incarnation: 5 })
  assert.equal(await admission.admit(helloOf({ incarnation: 8, ancestors: [6, 7] })), null)
  const other = { incarnation: 9, ancestors: [6, 7] }
  const why = copy(8, 9)
  assert.deepEqual(await admission.admit(helloOf(other)), refusal('copied', why))
  const probe = helloOf({ ...other, purpose: 'probe' })
  assert.deepEqual(await admission.admit(probe), refusal('copied', why))
  const answer = helloOf({ ...other, purpose: 'answer' })
  assert.deepEqual(admission.welcomed(own, answer), membership(why))
  assert.equal(await admission.admit(helloOf({ incarnation: 10, ancestors: [6, 7, 8] })), null)
})

test('who was let in is known again after a restart', async () => {
  const { admission } = admissionOf({ met: new Map([[there, 8]]) })
  assert.equal((await admission.admit(helloOf({ incarnation: 9, ancestors: [7] })))?.kind, 'copied')
  assert.equal(await admission.admit(helloOf({ incarnation: 9, ancestors: [7, 8] })), null)
})

test('a link is let in only once that is durable, and a probe not remembered at all', async () => {
  const stored: string[] = []
  let done = (): void => assert.fail('nothing to store')
  const { admission } = admissionOf({
    meet: (node, incarnation) =>
      new Promise((resolve) => {
        stored.push(`${node} ${incarnation}`)
        done = resolve
      }),
  })
  assert.equal(await admission.admit(helloOf({ incarnation: 9, purpose: 'probe' })), null)
  assert.deepEqual(stored, [])
  let welcome = 0
  const links = [1, 2].map(async () => {
    assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
    welcome++
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([stored, welcome], [[`${there} 8`], 0])
  assert.equal((await admission.admit(helloOf({ incarnation: 9, ancestors: [] })))?.kind, 'copied')
  done()
  await Promise.all(links)
  assert.equal(await admission.admit(helloOf({ incarnation: 8 })), null)
  assert.deepEqual(stored, [`${there} 8`])
})

test('who cannot be remembered is not let in', async () => {
  const meet = () => Promise.reject(new Error('the disk is full'))
  const { admission } = admissionOf({ meet })
  const why = refusal('unavailable', 'cannot enter the cluster: the disk is full')
  assert.deepEqual(await admission.admit(helloOf()), why)
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
