import type { Mutant } from '../mutant.ts'
import { backupBugs } from './backup.ts'
import { callerBugs } from './callers.ts'
import { clientBugs } from './client.ts'
import { electionBugs } from './elections.ts'
import { healthBugs } from './health.ts'
import { identityBugs } from './identity.ts'
import { jointBugs } from './joint.ts'
import { membershipBugs } from './membership.ts'
import { networkBugs } from './network.ts'
import { readBugs } from './reads.ts'
import { replicationBugs } from './replication.ts'
import { snapshotBugs } from './snapshots.ts'
import { logBugs, stateBugs, turnBugs } from './storage.ts'
import { transferBugs } from './transfers.ts'

/** Every bug that `npm run mutants` plants. */
export const allMutants: readonly Mutant[] = [
  ...electionBugs,
  ...replicationBugs,
  ...readBugs,
  ...membershipBugs,
  ...jointBugs,
  ...transferBugs,
  ...turnBugs,
  ...logBugs,
  ...stateBugs,
  ...snapshotBugs,
  ...healthBugs,
  ...callerBugs,
  ...clientBugs,
  ...networkBugs,
  ...backupBugs,
  ...identityBugs,
]
