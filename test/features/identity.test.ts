/** Directories that are copied, wiped or carried elsewhere, and members whose addresses change. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Cluster, ClusterOptions } from '../../src/index.ts'
import { temporaryDir } from '../support/cleanup.ts'
import { openCluster, skiff } from '../support/cluster.ts'
import { freeAddress } from '../support/tcp.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)

/** Three members, each a cluster object of its own with a directory of its own. */
interface Three {
  readonly root: string
  readonly running: (Cluster | null)[]
}

const dirOf = ({ root }: Three, name: number | string): string => join(root, `${name}`)

async function openThree(t: TestContext): Promise<Three> {
  const three: Three = { root: await temporaryDir(t), running: [] }
  for (const n of [0, 1, 2]) {
    const seed = three.running[0]?.status().address
    await start(t, three, n, seed === undefined ? {} : { join: [seed] })
  }
  return three
}

async function start(
  t: TestContext,
  three: Three,
  n: number,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const cluster = await openCluster(t, { dir: dirOf(three, n), ...options })
  three.running[n] = cluster
  return cluster
}

async function stop(three: Three, n: number): Promise<void> {
  await member(three, n).close()
  three.running[n] = null
}

function member({ running }: Three, n: number): Cluster {
  return running[n] ?? assert.fail(`member ${n} does not run`)
}

/** The directory of a member that is stopped, as it is. Its maps are mostly holes, which Node would write out. */
async function copy(three: Three, n: number, name: string): Promise<void> {
  await run('cp', ['-r', '--sparse=always', dirOf(three, n), dirOf(three, name)])
}

async function startCopy(t: TestContext, three: Three, name: string): Promise<Cluster> {
  return openCluster(t, { dir: dirOf(three, name), listen: await freeAddress() })
}

/** All that run take a write and read it. */
async function assertServes({ running }: Three, key: string): Promise<void> {
  for (const [n, cluster] of running.entries()) await cluster?.put(`${key}/${n}`, n)
  const keys = running.flatMap((cluster, n) => (cluster === null ? [] : [`${key}/${n}`]))
  for (const cluster of running)
    if (cluster !== null) assert.deepEqual(await cluster.keys(`${key}/`), keys)
}

const isCopy = skiff(
  'SKIFF_MEMBERSHIP',
  'not-applied',
  /a copy of node .*latest start was.*Remove it/,
)

test('a copy started beside the living original is refused by name, and the original goes on', async (t) => {
  const three = await openThree(t)
  const { id } = member(three, 2).status()
  await stop(three, 2)
  await copy(three, 2, 'copy')
  await copy(three, 2, 'another')
  const original = await start(t, three, 2)
  await assert.rejects(startCopy(t, three, 'copy'), isCopy)
  await assert.rejects(
    startCopy(t, three, 'copy'),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', /before/),
  )
  await assertServes(three, 'beside')
  await original.waitForLeader()
  for (const n of [0, 1, 2]) assert.equal(member(three, n).status().failure, null)
  // Known still when the peers have started anew, and when the original is gone.
  for (const n of [0, 1, 2]) await stop(three, n)
  await Promise.all([0, 1].map((n) => start(t, three, n)))
  await assertServes(three, 'again')
  await assert.rejects(startCopy(t, three, 'another'), isCopy)
  assert.equal((await start(t, three, 2)).status().id, id)
  await assertServes(three, 'whole')
})

test('a copy that was started instead of the original is the node from then on', async (t) => {
  const three = await openThree(t)
  await stop(three, 2)
  await copy(three, 2, 'copy')
  const moved = await startCopy(t, three, 'copy')
  const isLinked = (): boolean =>
    [0, 1].every((n) =>
      moved.status().links.some(({ id, up }) => up && id === member(three, n).status().id),
    )
  await until(isLinked, 'it is let in')
  await moved.put('k', 1)
  await assert.rejects(start(t, three, 2), isCopy)
  await moved.close()
  await assert.rejects(start(t, three, 2), skiff('SKIFF_MEMBERSHIP', 'not-applied', /before/))
  await assertServes(three, 'on')
})

test('a copy that met nobody at its start stops as soon as it does', async (t) => {
  const three = await openThree(t)
  await stop(three, 2)
  await copy(three, 2, 'copy')
  await start(t, three, 2)
  await assertServes(three, 'known')
  for (const n of [0, 1, 2]) await stop(three, n)
  const stray = await openCluster(t, { dir: dirOf(three, 'copy'), listen: await freeAddress() })
  await Promise.all([0, 1].map((n) => start(t, three, n)))
  const failure = await until(() => stray.status().failure, 'it stops')
  assert.match(failure, /a copy of node/)
  await assert.rejects(stray.put('k', 1), isCopy)
  await assertServes(three, 'without')
  assert.equal(member(three, 0).status().failure, null)
})

test('an empty directory at the address of a member is refused by name, and joins once that one is removed', async (t) => {
  const three = await openThree(t)
  const { id, address } = member(three, 2).status()
  await stop(three, 2)
  await rm(dirOf(three, 2), { recursive: true })
  const options = { listen: address, join: [member(three, 0).status().address] }
  const toDo = new RegExp(`${address} is the address of member ${id}.*removeServer\\('${id}'\\)`)
  await assert.rejects(start(t, three, 2, options), skiff('SKIFF_MEMBERSHIP', 'not-applied', toDo))

  const waiting = await start(t, three, 2, { listen: address, join: [] })
  await assert.rejects(
    member(three, 0).addServer(address),
    skiff('SKIFF_MEMBERSHIP', 'not-applied', toDo),
  )
  const reason = await until(
    () =>
      member(three, 1)
        .status()
        .links.find((link) => link.id === id && /met/.test(link.reason ?? ''))?.reason,
    'the dialer says whom it met',
  )
  assert.match(reason, new RegExp(`expected node ${id}, met node ${waiting.status().id}: another`))
  await member(three, 1).removeServer(id)
  const members = await member(three, 0).addServer(address)
  assert.deepEqual(
    members.map((each) => each.id).toSorted(),
    three.running.map((cluster) => cluster?.status().id ?? '').toSorted(),
  )
  await assertServes(three, 'replaced')
})

/** Until the log says so, everywhere. */
async function assertAddresses(three: Three, addresses: readonly string[]): Promise<void> {
  for (const n of [0, 1, 2]) {
    const isAsSaid = (): boolean =>
      member(three, n)
        .status()
        .members.every(({ id, address }) => {
          const at = three.running.findIndex((cluster) => cluster?.status().id === id)
          return addresses[at] === address
        })
    await until(isAsSaid, `member ${n} knows where the others are`)
  }
}

test('a member that was stopped starts at another address, and the cluster follows', async (t) => {
  const three = await openThree(t)
  const before = three.running.map((cluster) => cluster?.status().address ?? '')
  for (const n of [1, 0]) {
    await stop(three, n)
    const address = await freeAddress()
    const moved = await start(t, three, n, { listen: address })
    assert.equal(moved.status().address, address)
    before[n] = address
    await assertAddresses(three, before)
    await assertServes(three, `moved ${n}`)
  }
  // And now those addresses are what the directories know.
  for (const n of [0, 1, 2]) await stop(three, n)
  await Promise.all([0, 1, 2].map((n) => start(t, three, n)))
  await assertAddresses(three, before)
  await assertServes(three, 'stayed')
})

test('all members start at other addresses at once, told where the others are', async (t) => {
  const three = await openThree(t)
  await member(three, 0).put('k', 1)
  for (const n of [0, 1, 2]) await stop(three, n)
  const addresses = [await freeAddress(), await freeAddress(), await freeAddress()]
  await Promise.all(
    addresses.map((listen, n) =>
      start(t, three, n, { listen, join: addresses.filter((other) => other !== listen) }),
    ),
  )
  await assertAddresses(three, addresses)
  await assertServes(three, 'elsewhere')
  assert.equal(await member(three, 2).get('k'), 1)
})

test('a moved cluster of one goes on at its new address', async (t) => {
  const dir = await temporaryDir(t)
  await (await openCluster(t, { dir })).close()
  const listen = await freeAddress()
  const moved = await openCluster(t, { dir, listen })
  await until(() => moved.status().members[0]?.address === listen, 'its log says so')
  await moved.put('k', 1)
})
