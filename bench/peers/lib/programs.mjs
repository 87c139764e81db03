// Programs of peers: each with a time that it may take, servers on a port and in a folder of their
// own, and ended by their process id alone.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { pinTo } from '../../lib/pinning.mjs'

const outputBytesMax = 4 * 1024 * 1024
const stopMillis = 10_000
const pollMillis = 50

/** The end of what a program said, which is where it says why it failed. */
const tailOf = (text) => text.trimEnd().split('\n').slice(-8).join('\n')

/** Sends a signal to a process and all that it has started; none is left, perhaps. */
function signalGroup(pid, name) {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

const running = new Set()
let isWatching = false
const endingSignals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }

/** What still runs ends with this process, however that ends, unless it is killed itself. */
function endAllWithThis() {
  process.on('exit', () => {
    for (const pid of running) signalGroup(pid, 'SIGKILL')
  })
  for (const [name, number] of Object.entries(endingSignals)) {
    process.once(name, () => process.exit(128 + number))
  }
}

/** A group that is to end with this process, until it has `closed`. */
function watch(pid, closed) {
  if (!isWatching) endAllWithThis()
  isWatching = true
  running.add(pid)
  closed.finally(() => running.delete(pid))
}

/** Keeps the last part of what a child says. */
function collect(stream) {
  const said = { text: '' }
  stream.setEncoding('utf8').on('data', (more) => {
    said.text = (said.text + more).slice(-outputBytesMax)
  })
  return said
}

/**
 * Ends a process, and its children where it leads a group: first asks it to, and after 10 s makes
 * it. Resolves when it has ended.
 */
async function end(child, closed) {
  const timer = new AbortController()
  signalGroup(child.pid, 'SIGTERM')
  await Promise.race([closed, setTimeout(stopMillis, undefined, { signal: timer.signal })])
  timer.abort()
  signalGroup(child.pid, 'SIGKILL')
  await closed
}

function launch([command, ...args], { cwd, env, place } = {}) {
  const [program, ...rest] = [...(place === undefined ? [] : pinTo(place)), command, ...args]
  const child = spawn(program, rest, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own: what it starts ends with it
  })
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  const closed = new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }))
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  if (child.pid !== undefined) watch(child.pid, closed)
  return { child, closed, stdout, stderr }
}

const reasonOf = ({ error, code, signal }) => error?.message ?? `it ended with ${signal ?? code}`

/**
 * What a program says on standard output; `what` is how errors call it.
 *
 * @throws when it cannot be started, fails, or takes longer than `seconds`.
 */
export async function runProgram(command, { seconds, what = command[0], ...options }) {
  const { child, closed, stdout, stderr } = launch(command, options)
  const timer = new AbortController()
  const late = setTimeout(seconds * 1000, 'late', { signal: timer.signal }).catch(() => undefined)
  const first = await Promise.race([closed, late])
  timer.abort()
  if (first === 'late') {
    await end(child, closed)
    throw new Error(`${what} took more than ${seconds} s: it hangs, or the machine is busy`)
  }
  if (first.code === 0) return stdout.text
  throw new Error(`${what}: ${reasonOf(first)}\n${tailOf(stderr.text || stdout.text)}`)
}

/** A port of the loopback interface that nobody has. */
export async function freePort() {
  const server = createServer()
  await new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * Starts a server on the first processor and waits until it accepts connections at `port`.
 *
 * @returns `pid`, `port` and `stop()`.
 */
export async function startServer(command, { port, seconds, ...options }) {
  const server = launch(command, { place: 'first', ...options })
  let ended
  const closed = server.closed.then((how) => {
    ended = how
  })
  const stop = () => (ended === undefined ? end(server.child, closed) : closed)
  const deadline = Date.now() + seconds * 1000
  while (!(await accepts(port))) {
    if (ended !== undefined || Date.now() > deadline) {
      const reason = ended === undefined ? `no answer in ${seconds} s` : reasonOf(ended)
      await stop()
      throw new Error(
        `${command[0]}: ${reason}\n${tailOf(server.stderr.text + server.stdout.text)}`,
      )
    }
    await setTimeout(pollMillis)
  }
  return { pid: server.child.pid, port, stop }
}

const ticksPerSecond = 100 // of /proc, on every Linux that Node runs on

/** The fields of a process behind its name, which may have spaces; [] when it has ended. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

/** CPU seconds that a server has taken, with the processes that it has started and that still run. */
export function cpuSecondsOf(pid) {
  const group = String(pid)
  const ticks = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(statOf)
    .filter((fields) => fields[2] === group)
    .map((fields) => Number(fields[11]) + Number(fields[12]))
  return ticks.reduce((sum, it) => sum + it, 0) / ticksPerSecond
}
