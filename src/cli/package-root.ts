import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder of the package that holds `folder`: the nearest with a package.json, at or above it. */
export function packageRoot(folder: string): string {
  let root = folder
  while (!existsSync(join(root, 'package.json'))) {
    if (root === dirname(root)) throw new Error(`there is no package.json above ${folder}`)
    root = dirname(root)
  }
  return root
}
