/** A broker whose system calls are written down. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { cleanEnvironment, program, Transcript, temporaryDirectory } from './cli-process.ts'

export interface TracedBroker {
  readonly url: string
  /** Stops it; answers a line for each call, in their order. */
  stop(): Promise<string[]>
}

/** Starts a broker under strace. Answers why there is none, where nothing can be traced here. */
export async function serveTraced(
  calls: readonly string[],
  args: readonly string[],
): Promise<TracedBroker | string> {
  const trace = join(temporaryDirectory(), 'trace')
  const words = ['-f', '-qq', '-y', '-e', `trace=${calls.join()}`, '-o', trace]
  const serving = ['serve', '--listen', '127.0.0.1:0', ...args]
  const child = spawn('strace', [...words, process.execPath, program, ...serving], {
    cwd: temporaryDirectory(),
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const stderr = new Transcript(child.stderr)
  const failure = await Promise.race([
    stderr.until((it) => it.includes('"msg":"ready"')),
    once(child, 'error').then(() => 'there is no strace'),
    once(child, 'close').then(() => stderr.text),
  ])
  if (typeof failure === 'string') {
    if (/no strace|ptrace|Operation not permitted/.test(failure)) return failure
    throw new Error(`it does not serve: ${failure}`)
  }
  const ready = stderr.lines().find((it) => it.includes('"msg":"ready"')) ?? '{}'
  const { url, pid } = JSON.parse(ready) as { url: string; pid: number }
  return { url, stop: () => stopTraced(child, pid, trace) }
}

async function stopTraced(child: ChildProcess, pid: number, trace: string): Promise<string[]> {
  process.kill(pid, 'SIGTERM')
  await once(child, 'close')
  return wholeLines(readFileSync(trace, 'utf8'))
}

/** A call that others came into has two lines: they are put together. */
function wholeLines(trace: string): string[] {
  const begun = new Map<string, string>()
  return trace.split('\n').flatMap((line) => {
    const [, thread = '', begin, rest] =
      /^(\d+) +(?:(.*) <unfinished \.\.\.>|<\.\.\. \w+ resumed>(.*))$/.exec(line) ?? []
    if (begin !== undefined) begun.set(thread, line.slice(0, line.indexOf(' <unfinished')))
    if (begin !== undefined || line === '') return []
    return [rest === undefined ? line : `${begun.get(thread)}${rest}`]
  })
}
