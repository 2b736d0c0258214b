/** Entrance of the process that reads a directory to see whether it can be read (survivors.ts). */
import { SurvivorReader } from './survivors.ts'

await SurvivorReader.tryHere(String(process.argv[2]))
