// Child processes. Every one of them is known here, so that an interrupted run leaves none behind.
import { spawn } from 'node:child_process'

const OUTPUT_BYTES_MAX = 1024 * 1024

const running = new Set()

// Ends what is still running, by handle and never by name. For the way out after a signal.
export function killChildren() {
  for (const child of running) child.kill('SIGKILL')
}

// Starts a process without waiting for it. Its output is dropped unless `stdio` says otherwise.
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options })
  running.add(child)
  child.ended = new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error }))
    child.once('close', (code, signal) => resolve({ code, signal, error: null }))
  }).finally(() => running.delete(child))
  return child
}

// Runs a process to its end and tells what it said: { code, signal, timedOut, stdout, stderr }.
// `onLine` gets each line of standard output as it comes.
export async function run(command, args, options = {}) {
  const { timeoutSeconds = 600, onLine = null, ...spawnOptions } = options
  const child = start(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...spawnOptions })
  const stdout = collect(child.stdout, onLine)
  const stderr = collect(child.stderr, null)
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, timeoutSeconds * 1000)
  const { code, signal, error } = await child.ended
  clearTimeout(timer)
  if (error !== null) throw new Error(`${command}: ${error.message}`, { cause: error })
  return { code, signal, timedOut, stdout: stdout.text(), stderr: stderr.text() }
}

// The same for a process that has to work: anything but exit status 0 is thrown with what it
// printed.
export async function mustRun(command, args, options = {}) {
  const result = await run(command, args, options)
  if (result.code === 0) return result
  throw new Error(`${[command, ...args].join(' ')}: ${describeEnd(result)}`)
}

// "exit status 3: <last lines>", "killed by SIGSEGV", "still running after its time limit".
export function describeEnd(result) {
  const said = lastLines(result.stderr || result.stdout, 6)
  const how = result.timedOut
    ? 'still running after its time limit'
    : result.signal
      ? `killed by ${result.signal}`
      : `exit status ${result.code}`
  return said ? `${how}: ${said}` : how
}

function lastLines(text, count) {
  return text.trimEnd().split('\n').slice(-count).join('\n        ')
}

// Keeps the end of a stream: what a failing program says last is what matters.
function collect(stream, onLine) {
  let kept = ''
  let partial = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk) => {
    kept += chunk
    if (kept.length > 2 * OUTPUT_BYTES_MAX) kept = kept.slice(-OUTPUT_BYTES_MAX)
    if (onLine === null) return
    const lines = (partial + chunk).split('\n')
    partial = lines.pop()
    for (const line of lines) onLine(line)
  })
  return { text: () => kept }
}
