/** Bugs of the storage turn, of the log store and of the state machine. */
import { type Mutant, mutantsOf, shownBy } from '../mutant.ts'

const plant = mutantsOf('src/storage')

export const turnBugs: readonly Mutant[] = [
  plant(
    'state-machine.ts',
    'a state that was replaced shows the members of the one before',
    '    this.#membership = readMembership(this.#tables.meta.get(membershipKey))\n    this.#trimmedTo = 1\n    return before',
    '    this.#trimmedTo = 1\n    return before',
  ),
  shownBy(
    'power-loss',
    plant(
      'environment.ts',
      'the log does not sync its meta page',
      'open({ ...common, path, overlappingSync: false }))',
      'open({ ...common, path, overlappingSync: false, noMetaSync: true }))',
    ),
  ),
  plant(
    'state-machine.ts',
    'of where revisions are found less goes than comes',
    'entries.length + trimmedRowsMin',
    'trimmedRowsMin',
  ),
  plant(
    'loose-pages.ts',
    'a removal pays for none of the pages that it may have emptied',
    'if (this.#removals === 0) return',
    'if (this.#removals >= 0) return',
  ),
  plant(
    'slices.ts',
    'what does not fit into the first slice is not applied',
    '    if (commands >= batchCommandsMax) {\n      slices.push([])',
    '    if (commands >= batchCommandsMax) {\n      if (slices.length > 0) return slices\n      slices.push([])',
  ),
  plant(
    'storage.ts',
    'a caller may hear of a write before the board shows it',
    '      this.#applySlice(slice)\n      // An answer may be followed by a read here.\n      this.#publish()\n',
    '      this.#applySlice(slice)\n',
  ),
  plant(
    'storage.ts',
    'others are told of a commit that readers here do not see yet',
    'const settled = raft.settle()\n    // What this write has committed is told to others before it is applied: no read here may miss it.\n    this.#publish()\n',
    'const settled = raft.settle()\n',
  ),
  {
    name: 'promises leave before the log is synced',
    edits: [
      {
        file: 'src/storage/storage.ts',
        find: '    log.write(turn.write, block)\n',
        replace: '',
      },
      {
        file: 'src/storage/storage.ts',
        find: '    this.#outbox.send(settled.late)\n',
        replace: '    this.#outbox.send(settled.late)\n    log.write(turn.write, block)\n',
      },
    ],
  },
  plant(
    'storage.ts',
    'the state is applied before the log is synced',
    'log.write(turn.write, block)\n    const settled = raft.settle()',
    'const settled = raft.settle()\n    this.#apply(raft.takeCommitted(applyEntriesMax, applyBytesMax))\n    log.write(turn.write, block)',
  ),
  plant(
    'storage.ts',
    'a node goes on after its disk has failed',
    'this.#running = false\n      this.#failed(errorToData(error))',
    "this.#again = errorToData(error).code === ''",
  ),
  plant(
    'storage.ts',
    'every tick that waited is counted',
    "if (message.type === 'tick') ticked = true",
    "if (message.type === 'tick') this.#tick()",
  ),
  plant(
    'storage.ts',
    'a node that leads alone shows it before its state is whole',
    'raft.leadsAlone && state.appliedIndex === commitIndex ? 1 : 0',
    'raft.leadsAlone ? 1 : 0',
  ),
  plant(
    'storage.ts',
    'what is left to apply waits for the next message',
    'this.#again ||= this.#parts.raft.hasCommitted',
    '',
  ),
  plant(
    'succession.ts',
    'a leader on a full disk takes what others forward',
    'if (!mustWait && this.#space.trouble === null)',
    'if (!mustWait)',
  ),
  plant(
    'disk-space.ts',
    'a map that fills is not looked at',
    'for (const each of this.#supplies) each.freeBytes',
    'for (const each of this.#supplies.slice(0, 1)) each.freeBytes',
  ),
  plant(
    'storage.ts',
    'a node that leads alone says so until its write is done',
    'const turn = raft.takeTurn()\n    this.#publish()\n',
    'const turn = raft.takeTurn()\n',
  ),
  plant(
    'view.ts',
    'members that are not committed are shown',
    'const members = everyone(applied)',
    'const members = everyone(latest)',
  ),
]

export const logBugs: readonly Mutant[] = [
  plant(
    'log-store.ts',
    'the log keeps one entry too many when it is truncated',
    'for (let index = from; index <= this.#lastIndex; index++) this.#log.removeSync',
    'for (let index = from + 1; index <= this.#lastIndex; index++) this.#log.removeSync',
  ),
  plant(
    'log-store.ts',
    'the log is truncated behind the new entries',
    'if (truncateFrom !== null) this.#truncate(truncateFrom)\n      if (entries.length > 0) this.#putRecords(entries, block)',
    'if (entries.length > 0) this.#putRecords(entries, block)\n      if (truncateFrom !== null) this.#truncate(truncateFrom)',
  ),
  plant(
    'log-store.ts',
    'the log does not store term and vote',
    'if (hardState !== null) this.#putMeta(hardStateKey, hardState)\n      if (truncateFrom',
    'if (truncateFrom',
  ),
  plant(
    'log-store.ts',
    'term and vote are stored in a transaction of their own, behind the entries',
    'this.#transaction(() => {\n      if (hardState !== null) this.#putMeta(hardStateKey, hardState)\n      if (truncateFrom !== null) this.#truncate(truncateFrom)\n      if (entries.length > 0) this.#putRecords(entries, block)\n      this.#sweep()\n    })',
    'this.#transaction(() => {\n      if (truncateFrom !== null) this.#truncate(truncateFrom)\n      if (entries.length > 0) this.#putRecords(entries, block)\n      this.#sweep()\n    })\n    if (hardState !== null) this.#saveMeta(hardStateKey, hardState)',
  ),
  plant(
    'log-store.ts',
    'the log is not verified when it is opened',
    "if (!stored || entry.term < lastTerm) throw corrupt(path, index, 'it is out of order')",
    '',
  ),
  plant(
    'log-store.ts',
    'a new term is stored without its entries',
    'if (entries.length > 0) this.#putRecords(entries, block)',
    'if (entries.length > 0 && hardState === null) this.#putRecords(entries, block)',
  ),
]

export const stateBugs: readonly Mutant[] = [
  plant(
    'opening.ts',
    'a server that has just started helps to depose a leader',
    'assumesLeader: true',
    'assumesLeader: false',
  ),
  {
    name: 'the applied index is stored in a transaction of its own',
    edits: [
      {
        file: 'src/storage/state-machine.ts',
        find: '    this.#tables.meta.putSync(positionKey, writePosition(this.#position))\n    return applied',
        replace: '    return applied',
      },
      {
        file: 'src/storage/state-machine.ts',
        find: '      return onDisk(',
        replace: '      const applied = onDisk(',
      },
      {
        file: 'src/storage/state-machine.ts',
        find: '    } catch (error) {\n      this.#position = before',
        replace:
          '      this.#environment.transactionSync(() => this.#tables.meta.putSync(positionKey, writePosition(this.#position)))\n      return applied\n    } catch (error) {\n      this.#position = before',
      },
    ],
  },
  plant(
    'state-machine.ts',
    'sessions are not stored',
    'this.#tables.sessions.putSync(key, session)\n',
    '',
  ),
  plant(
    'state-machine.ts',
    'a batch that overtook another is applied',
    "if (sequence > last + 1) return 'gap'",
    '',
  ),
  plant(
    'state-machine.ts',
    'a repeated batch is applied again',
    "if (sequence <= last) return 'repeated'",
    '',
  ),
  plant(
    'state-machine.ts',
    'a batch of an earlier life is applied',
    "if (incarnation < known) return 'repeated'",
    '',
  ),
  plant(
    'state-machine.ts',
    'a delete of nothing makes a revision',
    'if (command.value === null && !state.exists) {',
    'if (command.value === null && !state.exists && command.key.length === 0) {',
  ),
  plant(
    'state-machine.ts',
    'a namespace outlives its last key',
    'this.#tables.prefixes.removeSync(key)\n      return',
    'return',
  ),
  plant(
    'key-state.ts',
    'an overwritten key is a new one',
    'this.version = this.exists ? this.version + 1 : 1',
    'this.version = 1',
  ),
  plant(
    'state-machine.ts',
    'a deleted key stays',
    'else if (state.existed && !state.exists) this.#tables.kv.removeSync(state.key)',
    '',
  ),
  plant(
    'state-machine.ts',
    'a failed transaction moves the applied index',
    'this.#position = before.position\n',
    '',
  ),
  plant(
    'state-origin.ts',
    'a state is trusted after the loss of power',
    'mark !== null && (mark.clean || mark.bootId === bootId)',
    'mark !== null',
  ),
  plant(
    'state-origin.ts',
    'the mark of a clean close stays while the state is in use',
    'log.saveStateMark(used)',
    '',
  ),
  plant(
    'state-origin.ts',
    'a state is marked clean before it is synced',
    'home.syncState(stateMark.generation)\n',
    '',
  ),
  plant(
    'opening.ts',
    'a restart is the same incarnation',
    'starts * incarnationRandom + dice.below(incarnationRandom)',
    '1',
  ),
]
