/** `npm run check-history` as a child process. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const entrance = fileURLToPath(new URL('./run.js', import.meta.url))

export interface Judged {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export function checkHistory(...args: readonly string[]): Promise<Judged> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [entrance, ...args], (_error, stdout, stderr) =>
      // Its failures are what tests ask for.
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}
