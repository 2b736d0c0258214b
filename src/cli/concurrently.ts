/**
 * Runs asynchronous work over many items with a bound on how many are under way. Used to read files
 * and to put keys. The first failure starts nothing new, and is thrown once everything begun has
 * ended, so that the caller may close what the work was using.
 */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // One generator shared by all: the loop that throws closes it, and that ends the other loops.
  const shared = (function* () {
    yield* items
  })()
  const worker = async () => {
    for (const item of shared) await work(item)
  }
  const ended = await Promise.allSettled(Array.from({ length: limit }, worker))
  const failed = ended.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
