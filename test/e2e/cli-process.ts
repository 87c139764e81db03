/** Runs the built program as a child, as a user would. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished, vi } from 'vitest'
import { hardened } from '../support/hardened.ts'
import type { Ended } from '../support/run-here.ts'

export const program: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

// A test is several runs of the program, one after the other, on a machine that may be busy.
vi.setConfig({ testTimeout: 150_000 })

/** A run that takes longer is ended, and fails. */
const runMillisMax = 30_000

export interface RunOptions {
  readonly cwd?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
  /** A command that runs the rest of its words elsewhere. */
  readonly inside?: readonly string[]
}

/** Tests run as any user, root included; those about root set the variable themselves. */
const asRoot = process.getuid?.() === 0 ? { MILLRACE_INSECURE_RUN_AS_ROOT: 'true' } : {}

/** The environment of this process without what would set something. */
export function cleanEnvironment(more: RunOptions['environment'] = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(?:MILLRACE_(?!ADDON$)|STATE_DIRECTORY$|NO_COLOR$)/.test(name),
  )
  // Brokers that the program starts itself have its environment, and not its arguments.
  const options = [...hardened, more['NODE_OPTIONS'] ?? ''].join(' ').trimEnd()
  return { ...Object.fromEntries(kept), ...asRoot, ...more, NODE_OPTIONS: options }
}

/** A directory that is removed after the test. */
export function temporaryDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** Starts the program; it is killed when the test ends, whatever came of it. */
export function startCli(args: readonly string[], options: RunOptions = {}): ChildProcess {
  const words = [...(options.inside ?? []), process.execPath, program, ...args]
  const child = spawn(words[0] as string, words.slice(1), {
    cwd: options.cwd ?? tmpdir(),
    env: cleanEnvironment(options.environment),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return child
}

/** Runs the program to its end. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = startCli(args, options)
  const timer = setTimeout(() => child.kill('SIGKILL'), runMillisMax)
  // A program that ends without reading all of its input is no failure of the test.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(options.input ?? '')
  const { stdout, stderr } = child as {
    stdout: NodeJS.ReadableStream
    stderr: NodeJS.ReadableStream
  }
  const [out, err] = await Promise.all([text(stdout), text(stderr), once(child, 'close')])
  clearTimeout(timer)
  return { status: child.exitCode, stdout: out, stderr: err }
}

/** What was written to a stream so far, and a way to wait for more. */
export class Transcript {
  text = ''
  readonly #waiters = new Set<() => void>()

  constructor(stream: NodeJS.ReadableStream) {
    stream.setEncoding('utf8')
    stream.on('data', (part: string) => {
      this.text += part
      for (const wake of this.#waiters) wake()
    })
    stream.on('end', () => {
      for (const wake of this.#waiters) wake()
    })
  }

  lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }

  /** Waits until `holds`; the time is the test's own. */
  async until(holds: (text: string) => boolean): Promise<void> {
    while (!holds(this.text)) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiters.delete(wake)
          resolve()
        }
        this.#waiters.add(wake)
      })
    }
  }
}

/** A broker in a process of its own. */
export interface Served {
  readonly child: ChildProcess
  readonly url: string
  readonly port: number
  /** The fields of its first line. */
  readonly facts: Record<string, unknown>
  readonly stderr: Transcript
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Runs `serve` on a free port and waits until it is ready. Rejects when it ends before that. */
export async function serve(args: readonly string[], options: RunOptions = {}): Promise<Served> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0']
  const child = startCli(['serve', ...listen, ...args], options)
  const ended = once(child, 'close')
  const stderr = new Transcript(child.stderr as NodeJS.ReadableStream)
  await Promise.race([
    stderr.until((it) => it.includes('"msg":"ready"')),
    ended.then(() => Promise.reject(new Error(`serve ended: ${stderr.text}`))),
  ])
  const line = stderr.lines().find((it) => it.includes('"msg":"ready"')) as string
  const facts = JSON.parse(line) as Record<string, unknown>
  const url = facts['url'] as string
  return {
    child,
    url,
    port: Number(new URL(url).port),
    facts,
    stderr,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal)
      await ended
      return child.exitCode
    },
  }
}

/** The values of lines of JSON. */
export function jsonLines(output: string): Record<string, unknown>[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/**
 * A port that is free, and that no socket is given by chance: one from below the range of those,
 * for a broker that is to come back on the same one.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const [isFree] = await Promise.race([
      once(server, 'listening').then(() => [true]),
      once(server, 'error').then(() => [false]),
    ])
    server.close()
    if (isFree === true) return port
  }
}

/** A broker with a stream `orders` of two shards, and how to run a command against it. */
export async function serveOrders() {
  const data = join(temporaryDirectory(), 'data')
  const served = await serve(['--data', data, '--create', 'orders:2'])
  const environment = { MILLRACE_URL: served.url }
  const run = (args: readonly string[], input: string | Uint8Array = '') =>
    runCli(args, { environment, input })
  return { served, data, environment, run }
}
