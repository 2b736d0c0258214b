/** What `skiff help` says. */
import type { CommandName } from './arguments.ts'

const general = `Usage: skiff COMMAND …

For clusters of the package skiff-ts that do not run; one that runs is backed up by its program, with
cluster.backup(file).

  backup DIR FILE     back up a stopped cluster from its data directory
  check FILE          read a backup from end to end, and say what is in it
  restore FILE DIR    make of a backup the data directory of a new cluster
  recover DIR …       show what is left of a cluster that has lost its quorum; make a new one of it

  skiff help COMMAND  more about one of them
  --json              one JSON object on stdout, also for a failure: { "error": { "code", "message" } }
  --version, --help

Exit code: 0 done, 1 failed, 2 wrong arguments.`

const commands: Record<CommandName, string> = {
  backup: `Usage: skiff backup DIR FILE [--overwrite] [--json]

Backs up a stopped cluster from its data directory, which is only read, into FILE.
What its node had applied when it stopped is in it; of a cluster of one, everything that was acknowledged.
What other machines acknowledged after that is not. A directory that is in use is refused.

  DIR          the \`dir\` of createCluster, or a node-N in it; of several nodes the one that had applied most
  FILE         made aside, synced, and named when it is whole
  --overwrite  take the place of a FILE that is there`,
  check: `Usage: skiff check FILE [--json]

Reads a backup from end to end, holds it against its hash, and says what is in it.`,
  restore: `Usage: skiff restore FILE DIR [--revision-bump N] [--json]

Makes of a backup the data directory of a new cluster of one member. It is checked before anything is written.
Start a program with createCluster({ dir: DIR }), without \`join\`; other members then join it with empty directories.
The new cluster has an id of its own: no member of the old one can talk to it.

  DIR              made if missing; else it must be empty
  --revision-bump  revisions left out, so that none is given out twice; 1000000000 unless given`,
  recover: `Usage: skiff recover DIR … [--write NEW] [--revision-bump N] [--json]

For a cluster of which a majority of the voters is lost for good. Reads the data directories that are left, which must
not be in use, and shows what each holds, which of them goes furthest, and what may be lost. Nothing is written, unless
you say where: then the best of them becomes a new cluster of one member, as by restore.

  DIR              the \`dir\` of createCluster, or a node-N in it
  --write NEW      make the new cluster here: missing or empty. The old directories stay as they are
  --revision-bump  revisions left out, so that none is given out twice; 1000000000 unless given

Exit code: 1 also where nothing can be recovered.`,
}

export function helpText(command: CommandName | null): string {
  return command === null ? general : commands[command]
}
