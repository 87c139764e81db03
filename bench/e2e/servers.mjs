// The processes of a broker bench: the raw servers and the broker on the first processor, where they
// take turns, and the load generators, which pin themselves to the last.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pinTo } from '../lib/pinning.mjs'
import { cpuSecondsOf } from '../lib/process.mjs'
import { withScratch } from '../micro/harness.mjs'
import { Control } from './control.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const outputBytesMax = 1024 * 1024

/**
 * A process that says what it does as JSON, a document a line. It ends when its input does, and so
 * never outlives a bench.
 */
class Process {
  #name
  #process
  #lines
  #ended

  constructor(name, command) {
    this.#name = name
    this.#process = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
    this.#ended = once(this.#process, 'exit')
    this.#process.stdin.on('error', () => undefined) // its end tells
  }

  get pid() {
    return this.#process.pid
  }

  /** CPU seconds of all of its threads so far. */
  get cpuSeconds() {
    return cpuSecondsOf(this.pid)
  }

  /** What it says next. */
  async next() {
    const { value, done } = await this.#lines.next()
    if (!done) return JSON.parse(value)
    const [code, signal] = await this.#ended
    throw new Error(`${this.#name} ended with ${signal ?? code} before it was done`)
  }

  /** Tells it something, and answers what it says to that. */
  async ask(command) {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`)
    return await this.next()
  }

  async stop() {
    this.#process.stdin.end()
    const [code, signal] = await this.#ended
    if (code !== 0) throw new Error(`${this.#name} ended with ${signal ?? code}`)
  }
}

/** A server on the first processor; `port` is where it serves. */
async function startServer(script, args = []) {
  // Flags of Node for profiling, such as --cpu-prof.
  const flags = process.env.MILLRACE_BENCH_NODE_FLAGS?.split(' ') ?? []
  const command = [...pinTo('first'), process.execPath, ...flags, join(here, script), ...args]
  const server = new Process(script, command)
  server.port = (await server.next()).port
  return server
}

export const startRawServer = () => startServer('raw-server.mjs')
export const startRawFanOut = () => startServer('raw-fan-out.mjs')

export const startBroker = (dist, dir, options) =>
  startServer('broker-server.mjs', [dist, dir, JSON.stringify(options)])

/** A broker in a scratch directory, with a connection that controls it, for as long as `run` takes. */
export async function withBroker(options, run) {
  await withScratch(async (scratch) => {
    const dist = process.env.MILLRACE_BENCH_DIST
    const broker = await startBroker(dist, join(scratch, 'data'), options)
    try {
      const control = await Control.connect(broker.port)
      await run({ broker, control, scratch })
      control.close()
    } finally {
      await broker.stop()
    }
  })
}

/** Starts a raw server beside the broker. */
export async function withServers(startRaw, options, run) {
  const raw = await startRaw()
  try {
    await withBroker(options, (servers) => run({ raw, ...servers }))
  } finally {
    await raw.stop()
  }
}

/** The flags of a load generator, which are named as the options are, but for their case. */
function flagsOf(options) {
  return Object.entries(options).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ])
}

const binary = (name) => join(process.env.MILLRACE_BENCH_BINARIES, name)

/** Runs a load generator, or another native program, and answers its report. */
export async function runProgram(name, options, environment = {}) {
  const { stdout } = await promisify(execFile)(binary(name), flagsOf(options), {
    maxBuffer: outputBytesMax,
    env: { ...process.env, ...environment },
  })
  return JSON.parse(stdout)
}

/** Runs a program in JavaScript on the last processor, and answers its report. */
async function runScript(name, args) {
  const script = join(here, name)
  const [command, ...more] = [...pinTo('last'), process.execPath, script, ...args.map(String)]
  const { stdout } = await promisify(execFile)(command, more)
  return JSON.parse(stdout)
}

export const runConsumer = (args) => runScript('replay-consumer.mjs', args)

/** The load of `ws_load` with PutRecords, over TLS where there is a `ca`. */
export const runNodeLoad = (options) => runScript('put-load.mjs', [JSON.stringify(options)])

/** Starts a load generator that says several things; answers when all have subscribed. */
export async function startSubscribers(options) {
  const subscribers = new Process('ws_subscribe', [binary('ws_subscribe'), ...flagsOf(options)])
  subscribers.subscribed = await subscribers.next()
  return subscribers
}
