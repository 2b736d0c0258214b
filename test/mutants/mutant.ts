/** A planted bug: a small named change of the program that the simulator or a unit test must notice. */

export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
  /** A folder of tests that may find it, beside those named like the folders it changes. */
  readonly shownBy?: string
}

/** `find` stands in the file exactly once. */
export interface Edit {
  /** Below the root of the repository. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** The files a mutant changes, as they then read. `read` gives a file as it is. */
export function planted(
  { name, edits }: Mutant,
  read: (file: string) => string,
): Map<string, string> {
  const changed = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const text = changed.get(file) ?? read(file)
    const [before, after, ...more] = text.split(find)
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`${name}: ${file} should hold this once: ${find}`)
    changed.set(file, before + replace + after)
  }
  return changed
}

/** One edit of one file of `folder`. */
export function mutantsOf(
  folder: string,
): (file: string, name: string, find: string, replace: string) => Mutant {
  return (file, name, find, replace) => ({
    name,
    edits: [{ file: `${folder}/${file}`, find, replace }],
  })
}

/** What no unit test beside it can see, as what a disk makes of a loss of power. */
export function shownBy(folder: string, mutant: Mutant): Mutant {
  return { ...mutant, shownBy: folder }
}
