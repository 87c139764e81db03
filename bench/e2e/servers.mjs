// The processes of a broker bench: the raw server and the broker on the first processor, where they
// take turns, and the load generator, which pins itself to the last.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const outputBytesMax = 1024 * 1024

/** `['taskset', '-c', '0']`, or nothing where there is one processor alone. */
function pinToFirst() {
  const allowed = /^Cpus_allowed_list:\s*(\d+)(.*)$/m.exec(
    readFileSync('/proc/self/status', 'utf8'),
  )
  return allowed === null || allowed[2] === '' ? [] : ['taskset', '-c', allowed[1]]
}

/** A server in a process of its own. It ends when its input does, and so never outlives a bench. */
class Server {
  #process
  port = 0

  static async start(script, args) {
    const server = new Server()
    // Flags of Node for profiling, such as --cpu-prof.
    const flags = process.env.MILLRACE_BENCH_NODE_FLAGS?.split(' ') ?? []
    const command = [...pinToFirst(), process.execPath, ...flags, join(here, script), ...args]
    const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] })
    server.#process = child
    const lines = createInterface({ input: child.stdout })
    const [line] = await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(([code]) => {
        throw new Error(`${script} ended with ${code} before it served`)
      }),
    ])
    server.port = JSON.parse(line).port
    return server
  }

  get pid() {
    return this.#process.pid
  }

  async stop() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.stdin.end()
    const [code] = await exit
    if (code !== 0) throw new Error(`a server ended with ${code}`)
  }
}

export const startRawServer = () => Server.start('raw-server.mjs', [])

export const startBroker = (dist, dir, logOptions) =>
  Server.start('broker-server.mjs', [dist, dir, JSON.stringify(logOptions)])

/** Runs the load generator; its options are named as its flags are, in camel case. */
export async function runLoad(options) {
  const args = Object.entries(options).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ])
  const { stdout } = await promisify(execFile)(process.env.MILLRACE_BENCH_LOAD, args, {
    maxBuffer: outputBytesMax,
  })
  return JSON.parse(stdout)
}
