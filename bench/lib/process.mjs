// What a process takes of processor and memory, as Linux counts it.
import { readdirSync, readFileSync } from 'node:fs'

const kibibytesOfPage = 4 // of /proc/net/sockstat, where pages are as small as they mostly are
const ticksPerSecond = 100 // of /proc, on every Linux that Node runs on

/** CPU seconds of all threads of a process that runs. */
export function cpuSecondsOf(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const nanos = tasks.map((task) =>
    Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanos.reduce((sum, it) => sum + it, 0) / 1e9
}

/** CPU seconds of this process so far. */
export function ownCpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** CPU seconds of all processes that this one has started and that have ended, and of theirs. */
export function childCpuSeconds() {
  const text = readFileSync('/proc/self/stat', 'utf8')
  // The name of the program may have spaces, and stands in brackets.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

/**
 * What the kernel has for its own objects and for what sockets hold, of the whole machine: others
 * that open or close something meanwhile are in it.
 */
export function kernelKibibytes() {
  const slab = Number(/^Slab:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1])
  const sockets = /^TCP:.* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))
  return slab + Number(sockets[1]) * kibibytesOfPage
}

/** How often this machine has asked again for a connection that nobody had answered, so far. */
export function connectRetries() {
  const [names, values] = readFileSync('/proc/net/netstat', 'utf8').split('\n')
  return Number(values.split(' ')[names.split(' ').indexOf('TCPSynRetrans')])
}

/** Memory without the pages of files that are mapped: those are the kernel's to take back. */
export function anonymousKibibytesOf(pid) {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
}
