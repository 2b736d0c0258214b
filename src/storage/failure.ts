import { messageOf, SkiffError } from '../errors.ts'
import { AssertionError } from '../raft/assert.ts'

/**
 * Does something to the disk. Whatever LMDB or the system throws ends the node (fail-stop); here it gets a
 * name and a remedy. Whether what was under way is on the disk, nobody knows.
 */
export function onDisk<T>(what: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof SkiffError || error instanceof AssertionError) throw error
    const reason = messageOf(error)
    throw new SkiffError(
      'SKIFF_STORAGE',
      'unknown',
      `${what} failed: ${reason}. The node has stopped; check the disk, then start it again`,
      { cause: error },
    )
  }
}
