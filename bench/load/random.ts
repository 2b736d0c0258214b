/** Random numbers that are the same in every run: which keys, and when. */

export type RandomIntegers = (below: number) => number

/** xorshift32: quick, and the same keys for every system. */
export function randomIntegers(seed: number): RandomIntegers {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** As YCSB has it: some keys are asked for far more often than others, and lie anywhere among them. */
const zipfianTheta = 0.99
const fractionBits = 32

/** Indexes below `count`: the first most often (Gray et al., "Quickly generating billion-record synthetic databases"). */
export function zipfianRanks(count: number, random: RandomIntegers): () => number {
  const zeta = zetaOf(count)
  const alpha = 1 / (1 - zipfianTheta)
  const eta = (1 - (2 / count) ** (1 - zipfianTheta)) / (1 - zetaOf(2) / zeta)
  return () => {
    const fraction = random(2 ** fractionBits) / 2 ** fractionBits
    const scaled = fraction * zeta
    if (scaled < 1) return 0
    if (scaled < 1 + 0.5 ** zipfianTheta) return Math.min(1, count - 1)
    return Math.min(count - 1, Math.floor(count * (eta * fraction - eta + 1) ** alpha))
  }
}

function zetaOf(count: number): number {
  let sum = 0
  for (let n = 1; n <= count; n++) sum += 1 / n ** zipfianTheta
  return sum
}

/** Where a rank lies among the keys: neighbours in rank are none in order, or one page would be all that is touched. */
export function scattered(rank: number, count: number): number {
  return Math.abs(Math.imul(rank + 1, 2_654_435_761) >>> 0) % count
}
