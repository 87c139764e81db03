/** Runs a command line in this process: to start one takes longer than most commands. */

import { PassThrough } from 'node:stream'
import { Output } from '../../src/cli/output.ts'
import { runProgram } from '../../src/cli/program.ts'

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface HereOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly input?: string | Uint8Array | undefined
  readonly program?: typeof runProgram
}

export async function runHere(
  args: readonly string[],
  { environment = {}, input = '', program = runProgram }: HereOptions = {},
): Promise<Ended> {
  const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
  const sink = (name: keyof typeof written) => ({
    write: (data: string | Uint8Array) => written[name].push(Buffer.from(data)) > 0,
    on: () => undefined,
  })
  const output = new Output({
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    json: args.includes('--json'),
    environment,
  })
  const stdin = new PassThrough()
  stdin.end(input)
  const { signal } = new AbortController()
  const { status } = await program(args, { output, environment, stdin, signal })
  const text = (name: keyof typeof written) => Buffer.concat(written[name]).toString()
  return { status, stdout: text('stdout'), stderr: text('stderr') }
}
