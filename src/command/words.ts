/** What the commands say to people. */
import type { Founded } from '../backup/founding.ts'
import type { Recovery } from '../backup/recover.ts'
import type { Survivor } from '../backup/survivors.ts'
import type { Backup } from '../store.ts'

export function describeBackup(file: string, backup: Backup): string {
  const { keys, bytes, revision, index, term, clusterId, nodeId, createdAt, sha256 } = backup
  return [
    `${file}: ${count(keys)} keys, ${count(bytes)} bytes`,
    `  revision ${revision}, entry ${index} of term ${term}`,
    `  of cluster ${clusterId}, by node ${nodeId}, ${createdAt}`,
    `  sha256 ${sha256}`,
  ].join('\n')
}

export function describeFounded({ dir, nodeId, revision }: Founded): string {
  return [
    `${dir} holds a new cluster of one member, ${nodeId}, at revision ${revision}.`,
    `Start it with createCluster({ dir: ${JSON.stringify(dir)} }), without join; others then join it with empty directories.`,
  ].join('\n')
}

export function describeRecovery({ survivors, best, notes, written }: Recovery): string {
  const found = survivors.map((survivor) => describeSurvivor(survivor, survivor === best))
  const advice = 'Nothing was written. `--write NEW` makes a new cluster of the best of them.'
  const end = written === null ? (best === null ? [] : [advice]) : [describeFounded(written)]
  return [...found, '', ...notes, '', ...end].join('\n').trimEnd()
}

function describeSurvivor(survivor: Survivor, isBest: boolean): string {
  const { dir, damage, nodeId, clusterId, term, votedFor, state, members } = survivor
  const { firstIndex, lastIndex, lastTerm, appliedIndex, snapshotIndex } = survivor
  const lines = [
    `${dir}${isBest ? '   (goes furthest)' : ''}`,
    `  node ${nodeId ?? 'unknown'} of cluster ${clusterId ?? 'unknown'}`,
  ]
  if (damage !== null) lines.push('  DAMAGED: see below')
  if (lastIndex === 0) return lines.join('\n')
  const votes = votedFor === null ? 'no vote' : `voted for ${votedFor}`
  const snapshot = snapshotIndex === 0 ? 'no snapshot' : `snapshot at ${snapshotIndex}`
  return [
    ...lines,
    `  term ${term}, ${votes}; log ${firstIndex} to ${lastIndex}, last of term ${lastTerm}`,
    `  state ${state}, applied ${appliedIndex}; ${snapshot}`,
    ...members.map(({ id, address, role }) => `  ${role} ${id} at ${address}`),
  ].join('\n')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
