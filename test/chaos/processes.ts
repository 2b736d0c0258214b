/** The processes of this machine, as /proc tells of them. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Process {
  readonly pid: number
  readonly name: string
  /** `T`: stopped. */
  readonly state: string
  readonly parent: number
  readonly group: number
}

export function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => processAt(Number(pid)) ?? [])
}

/** Fields 2 to 5 of /proc/PID/stat; the name in field 2 may hold spaces. `null`: it has ended. */
export function processAt(pid: number): Process | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const end = stat.lastIndexOf(')')
    const name = stat.slice(stat.indexOf('(') + 1, end)
    const [state = '', parent, group] = stat.slice(end + 2).split(' ')
    return { pid, name, state, parent: Number(parent), group: Number(group) }
  } catch {
    return null
  }
}
