/** Bugs of backup, restore and recovery. */
import { type Mutant, mutantsOf } from '../mutant.ts'

const plant = mutantsOf('src/backup')
const plantInStorage = mutantsOf('src/storage')

export const backupBugs: readonly Mutant[] = [
  plant(
    'online.ts',
    'a backup does not ask what was acknowledged',
    "if (consistency === 'linearizable') await",
    "if (consistency !== 'linearizable') await",
  ),
  plant('file.ts', 'a damaged backup is restored', 'if (sha256 === backup.sha256)', 'if (true)'),
  plant(
    'founding.ts',
    'a restored directory has its name before its log',
    '  await writeLog(directory, taken, term, nodeId)\n',
    '',
  ),
  plant('recover.ts', 'any survivor is taken for a majority', '>= majority(voters.length)', '>= 1'),
  plant(
    'recover.ts',
    'an old copy of a member counts for a majority',
    '!outdated.includes(reader)',
    'usable.includes(reader)',
  ),
  plant(
    'offline.ts',
    'a damaged state is backed up, and nobody can restore it',
    'if (!(await isTrueCopy(openStateTables(state)))) throw',
    'if (!(await isTrueCopy(openStateTables(state))) && index === 0) throw',
  ),
  plant(
    'recover.ts',
    'a recovery takes the shorter log',
    'a.lastIndex > b.lastIndex ? best : next',
    'a.lastIndex < b.lastIndex ? best : next',
  ),
  plant(
    'recover.ts',
    'a recovery drops what it does not know to be committed',
    'await reader.buildState(folder, lastIndex, signal)',
    'await reader.buildState(folder, reader.survivor.appliedIndex, signal)',
  ),
  plantInStorage(
    'snapshots.ts',
    'a snapshot that is being copied is thrown away',
    '...coming, ...this.#held]',
    '...coming]',
  ),
  plantInStorage(
    'log-store.ts',
    'the snapshot of a restored cluster knows no members',
    '({ ...each, membership })',
    '({ ...each })',
  ),
  plantInStorage(
    'state-machine.ts',
    'a restored cluster gives out revisions again',
    'this.#position.revision + revisionGap',
    'this.#position.revision',
  ),
]
