// The facts without which a figure says nothing: processor, memory, kernel, file systems, and
// what else the machine is doing.
import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import os from 'node:os'

const fileSystems = new Map([
  [0xef53, 'ext2/3/4'],
  [0x01021994, 'tmpfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
  [0x2fc12fc1, 'zfs'],
])

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // not on this system
  }
}

function fileSystemOf(directory) {
  try {
    const { type, bavail, bsize } = statfsSync(directory)
    const name = fileSystems.get(type) ?? `0x${type.toString(16)}`
    return `${name}, ${Math.round((bavail * bsize) / 1e9)} GB free`
  } catch {
    return 'missing'
  }
}

function compilerVersion() {
  try {
    return execFileSync(process.env.CXX ?? 'c++', ['--version'], { encoding: 'utf8' }).split(
      '\n',
    )[0]
  } catch {
    return 'unknown'
  }
}

/** Dirty and cached pages: whether writers may be slowed down, and how warm reads are. */
export function memoryState() {
  const text = readText('/proc/meminfo')
  const mebibytes = (field) =>
    Math.round(Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024)
  return {
    freeMebibytes: mebibytes('MemFree'),
    cachedMebibytes: mebibytes('Cached'),
    dirtyMebibytes: mebibytes('Dirty'),
    writebackMebibytes: mebibytes('Writeback'),
    loadAverage: os.loadavg()[0],
  }
}

export function describeMachine(options) {
  const processors = os.cpus()
  return {
    date: new Date().toISOString(),
    processor: `${processors[0]?.model.trim() ?? 'unknown'} x ${processors.length}`,
    memoryGibibytes: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    compiler: compilerVersion(),
    disk: fileSystemOf(options.directory),
    memoryFileSystem: fileSystemOf(options.memoryDirectory),
    load: options.load,
    pinning:
      'native appenders and readers on the last processor, threads of the core on the others; Node free',
  }
}

/** A sentence when the machine is too busy for figures, else undefined. */
export function busyWarning(state) {
  return state.loadAverage > 0.5
    ? `The load average is ${state.loadAverage.toFixed(1)}: others use this machine, figures will suffer.`
    : undefined
}
