/** A broker for one run of a command: `millrace serve` in a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve as absolute, dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { settings } from './config-schema.ts'

const program = fileURLToPath(new URL('main.js', import.meta.url))

export interface BrokerProcess {
  readonly url: string
  /** Answers with the exit code when the process has ended, whoever ended it. */
  readonly ended: Promise<number | null>
  /** Lets it drain, and waits for its end. */
  stop(): Promise<void>
}

/** The user's settings are for brokers that stay: an access file would keep this command out. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const variables = new Set(settings.map((it) => it.variable))
  const kept = Object.entries(environment).filter(
    ([name]) => name === 'MILLRACE_INSECURE_RUN_AS_ROOT' || !variables.has(name),
  )
  return Object.fromEntries(kept)
}

/**
 * Starts a broker over `data` on a free port, with further flags of `serve` and defaults for all
 * else. Rejects when it does not come up.
 */
export async function startBroker(
  data: string,
  flags: readonly string[] = [],
): Promise<BrokerProcess> {
  // It listens on loopback, for as long as the command takes: as root, too, where that is the only
  // user, as in many containers.
  const asRoot = process.geteuid?.() === 0 ? ['--insecure-run-as-root'] : []
  const listen = ['--listen', '127.0.0.1:0']
  const args = [
    program,
    'serve',
    '--json',
    '--data',
    absolute(data),
    ...listen,
    ...asRoot,
    ...flags,
  ]
  // A group of its own: Ctrl-C reaches the command alone, which then stops the broker.
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: withoutSettings(process.env),
    // A folder without a millrace.json.
    cwd: dirname(program),
  })
  process.once('exit', () => child.kill())
  const ended = once(child, 'close').then(() => child.exitCode)
  return {
    url: await urlOf(child),
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Reads the log of the broker: the URL from the line that says it is ready; warnings are shown. */
async function urlOf(child: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    const said: string[] = []
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      const { level, msg, url } = parse(line)
      if (msg === 'ready' && typeof url === 'string') resolve(url)
      else said.push(line)
      if (level === 'warn' || level === 'error') process.stderr.write(`${line}\n`)
    })
    child.once('error', reject)
    child.once('close', () => reject(new Error(`the broker did not start: ${said.join(' ')}`)))
  })
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
