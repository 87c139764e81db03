#!/usr/bin/env node
/** The program `millrace`: ties one run to this process. */

import { constants } from 'node:os'
import type { Context } from './context.ts'
import { exitCodes, Stopped } from './exit-codes.ts'
import { Output } from './output.ts'
import { runProgram } from './program.ts'

const args = process.argv.slice(2)
const stop = new AbortController()

for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The first asks, the second does not wait: nothing that was acknowledged depends on it.
    if (stop.signal.aborted) process.exit(128 + constants.signals[name])
    stop.abort(new Stopped(name))
  })
}

const context: Context = {
  output: new Output({
    stdout: process.stdout,
    stderr: process.stderr,
    json: args.includes('--json'),
    environment: process.env,
  }),
  environment: process.env,
  stdin: process.stdin,
  signal: stop.signal,
}

// Nothing that was acknowledged depends on an orderly end, and after a bug there is none.
process.on('uncaughtException', (error) => {
  context.output.note(`error: INTERNAL: ${error.stack ?? error.message}`)
  process.exit(exitCodes.internal.status)
})

const exit = await runProgram(args, context)
process.exitCode = exit.status
