// What a broker and its connections cost.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const PAGE_BYTES = 4096

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
