#!/usr/bin/env node
/** Entrance of `npx skiff`. What it does is in run.ts. */
import { run } from './run.ts'

process.exitCode = await run(process.argv.slice(2))
