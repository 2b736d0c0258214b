/** What must happen, synchronously, before the process is gone. One listener, however many nodes. */
const acts = new Set<() => void>()

/** The returned function takes it back. */
export function onExit(act: () => void): () => void {
  if (acts.size === 0) process.on('exit', actAll)
  acts.add(act)
  return () => {
    acts.delete(act)
    if (acts.size === 0) process.off('exit', actAll)
  }
}

function actAll(): void {
  for (const act of acts) act()
}
