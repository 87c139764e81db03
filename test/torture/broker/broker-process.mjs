// A broker in a process of its own, started as a user starts it, to be killed and started again.
import { createServer } from 'node:net'
import { join } from 'node:path'
import { CHECKOUT } from '../lib/command-test.mjs'
import { start } from '../lib/processes.mjs'

const START_MILLIS_MAX = 20_000
const STOP_MILLIS_MAX = 20_000
const KEPT_LINES_MAX = 200

export const SERVE = ['dist/cli/main.js', 'serve']

// Below the ports that the system gives out by itself: a client that tries to reach a broker that is
// not up could otherwise be given this very port for its own end, and connect to itself.
const PORTS = [20_000, 32_000]

// A port that nobody listens on.
export async function freePort(random) {
  for (;;) {
    const port = random.between(...PORTS)
    const server = createServer()
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (isFree) return await new Promise((resolve) => server.close(() => resolve(port)))
  }
}

export class BrokerProcess {
  #child
  #lines = []
  #seen
  // The lines of its log that say that something is wrong, and all that are no JSON.
  complaints = []
  #waiting = []

  // `command` is a script of this package and its arguments; `seen` is told each line of its log. A port of 0 cannot be had again by the
  // next broker while connections to this one are remembered by the system. It runs inside `group`
  // (memory-group.mjs), if there is one, and its Node has `nodeOptions`.
  constructor(directory, port, options = {}) {
    const { command = SERVE, more = [], seen = () => undefined, group, nodeOptions = [] } = options
    const [script, ...words] = command
    const args = [
      ...nodeOptions,
      join(CHECKOUT, script),
      ...words,
      '--data',
      directory,
      '--listen',
      `127.0.0.1:${port}`,
      ...more,
    ]
    // What the runner tells its own parts is no setting of the broker.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_')),
    )
    if (process.getuid() === 0) env.MILLRACE_INSECURE_RUN_AS_ROOT = 'true'
    this.#seen = seen
    this.startedAt = performance.now()
    const [program, ...prefix] = group?.inside(process.execPath) ?? [process.execPath]
    this.#child = start(program, [...prefix, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.ended = this.#child.ended
    this.#read(this.#child.stderr)
  }

  get pid() {
    return this.#child.pid
  }

  // Answers the address that it says it serves at. Throws when it does not in time, or ends.
  async ready() {
    const facts = await this.#line((it) => it?.msg === 'ready' && typeof it.url === 'string')
    this.readyMillis = performance.now() - this.startedAt
    this.facts = facts
    return facts.url
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  // Asks it to stop and answers its exit status.
  async stop() {
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MILLIS_MAX)
    const { code, signal } = await this.ended
    clearTimeout(timer)
    return code ?? signal
  }

  async #line(wanted) {
    const found = this.#lines.map(parse).find(wanted)
    if (found !== undefined) return found
    let timer
    const line = new Promise((resolve) => this.#waiting.push({ wanted, resolve }))
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, START_MILLIS_MAX, 'does not get ready')
    })
    const end = this.ended.then(({ code, signal }) => `ended (${code ?? signal})`)
    const facts = await Promise.race([line, late, end])
    clearTimeout(timer)
    if (typeof facts !== 'string') return facts
    throw new Error(`the broker ${facts}: ${this.#lines.join('\n')}`)
  }

  #read(stream) {
    let partial = ''
    stream.setEncoding('utf8')
    stream.on('data', (chunk) => {
      const lines = (partial + chunk).split('\n')
      partial = lines.pop()
      for (const line of lines) this.#take(line)
    })
  }

  #take(line) {
    this.#seen(line)
    this.#lines.push(line)
    if (this.#lines.length > KEPT_LINES_MAX) this.#lines.shift()
    const facts = parse(line)
    const isComplaint = facts === null || facts.level === 'error'
    if (isComplaint && this.complaints.length < KEPT_LINES_MAX) this.complaints.push(line)
    this.#waiting = this.#waiting.filter(({ wanted, resolve }) => {
      if (!wanted(facts)) return true
      resolve(facts)
      return false
    })
  }
}

function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return null // no line of the log: a crash, or a warning of Node
  }
}
