// What a broker and its connections cost.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const PAGE_BYTES = 4096
const LATENCY_FACTOR_MAX = 2
const LATENCY_MILLIS_MIN = 1

// Bytes of memory that belong to a process alone.
export function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)[1]) * 1024
}

// The sockets that a process has open.
export function socketsOf(pid) {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).filter((name) => linkOf(`${folder}/${name}`).startsWith('socket:'))
    .length
}

function linkOf(path) {
  try {
    return readlinkSync(path)
  } catch {
    return '' // it was closed meanwhile
  }
}

// What the kernel holds for the TCP connections of the whole machine.
export function kernelMemory() {
  const text = readFileSync('/proc/net/sockstat', 'utf8')
  return Number(/^TCP: .* mem (\d+)$/m.exec(text)[1]) * PAGE_BYTES
}

export const mebibytes = (bytes) => Math.round(bytes / 1024 / 1024)

export function percentile(values, share) {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0
}

// Whether answers take at most twice as long as without what goes on; what the clock of a client that
// shares its processor cannot tell apart does not count.
export const atMostTwice = (p99, alone) => p99 <= alone * LATENCY_FACTOR_MAX + LATENCY_MILLIS_MIN

// A figure of a broker, by its name and labels. `options` are those of fetch.
export async function metricOf(port, name, options = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, options)
  const lines = (await answer.text()).split('\n')
  const line = lines.find((it) => it.startsWith(`millrace_${name} `))
  if (line === undefined) throw new Error(`no ${name} in the metrics: ${answer.status} ${lines[0]}`)
  return Number(line.slice(line.lastIndexOf(' ')))
}

// By how many milliseconds the event loop of a broker was late in the last minute or two, at p99.9.
export async function loopDelayOf(port, options) {
  return (await metricOf(port, 'event_loop_delay_seconds{quantile="0.999"}', options)) * 1000
}
