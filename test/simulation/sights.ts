/** What a run has come past, so that it can be said that the interesting things really happen. */
export class Sights {
  readonly counts = {
    /** Whole and on the disk. */
    snapshotsTaken: 0,
    /** … while members were in the log that were not committed. */
    takenUnderChange: 0,
    /** Copies for which there was no room. */
    copiesFailed: 0,
    installs: 0,
    /** Chunks that went on where an earlier life, or another leader, had stopped. */
    resumed: 0,
    damagedOnArrival: 0,
    /** States made of the older of two snapshots, for the newest was damaged. */
    secondChoices: 0,
    /** States made of a snapshot at a start. */
    restores: 0,
    /** Elections won while some node received a snapshot. */
    electionsMeanwhile: 0,
  }

  /** Snapshots that are coming in, anywhere. */
  readonly coming: Set<string> = new Set()
  #elections = 0

  saw(what: keyof Sights['counts']): void {
    this.counts[what]++
  }

  /** So many there were by now. */
  elections(count: number): void {
    if (count > this.#elections && this.coming.size > 0) this.saw('electionsMeanwhile')
    this.#elections = count
  }
}
