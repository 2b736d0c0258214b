/** Entrance of the storage thread: settles when the actor does. */
import { runStorage, type StorageInit } from '../src/storage/service.ts'

export default (init: StorageInit): Promise<void> => runStorage(init)
