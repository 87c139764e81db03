// A control group that bounds the memory of a process, and tells whether the kernel has killed
// anything for it. Version 1 or 2 of control groups, whichever has the memory here.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { needRoot } from '../lib/machine.mjs'

// `most` is the limit, `swap` what may be swapped out beside it; `kills` has a line `oom_kill N`.
const VERSIONS = [
  {
    root: '/sys/fs/cgroup/memory',
    most: 'memory.limit_in_bytes',
    // Together with the memory.
    swap: (bytes) => ['memory.memsw.limit_in_bytes', bytes],
    peak: 'memory.max_usage_in_bytes',
    kills: 'memory.oom_control',
  },
  {
    root: '/sys/fs/cgroup',
    most: 'memory.max',
    swap: () => ['memory.swap.max', 0],
    peak: 'memory.peak',
    kills: 'memory.events',
  },
]

// Null, or why no group can be had here.
export function needMemoryGroup() {
  if (needRoot() !== null) return 'a control group needs root'
  try {
    MemoryGroup.make(`millrace-probe-${process.pid}`, 2 ** 30).remove()
    return null
  } catch (error) {
    return `no control group of memory can be made: ${error.message}`
  }
}

export class MemoryGroup {
  #version
  #directory

  constructor(version, directory) {
    this.#version = version
    this.#directory = directory
  }

  static make(name, bytes) {
    const version = VERSIONS.find(({ root, most }) => {
      return existsSync(join(root, most)) || existsSync(join(root, 'cgroup.controllers'))
    })
    if (version === undefined) throw new Error('there is none at /sys/fs/cgroup')
    const directory = join(version.root, name)
    mkdirSync(directory)
    const group = new MemoryGroup(version, directory)
    try {
      group.#write(version.most, bytes)
      // Where the kernel does not count what is swapped out there is no such file.
      const [swap, most] = version.swap(bytes)
      if (existsSync(join(directory, swap))) group.#write(swap, most)
    } catch (error) {
      group.remove()
      throw error
    }
    return group
  }

  // A command that runs `program` inside, with the arguments that follow, as the same process.
  inside(program) {
    const enter = 'echo $$ > "$0" && exec "$@"'
    return ['sh', '-c', enter, join(this.#directory, 'cgroup.procs'), program]
  }

  // Processes that the kernel has killed for want of memory.
  get kills() {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(this.#version.kills))[1])
  }

  // Bytes that it has had at the most, files that are cached included; undefined: the kernel is old.
  get peak() {
    const { peak } = this.#version
    return existsSync(join(this.#directory, peak)) ? Number(this.#read(peak)) : undefined
  }

  // Once nobody is in it any more.
  remove() {
    rmdirSync(this.#directory)
  }

  #read(name) {
    return readFileSync(join(this.#directory, name), 'utf8')
  }

  #write(name, value) {
    writeFileSync(join(this.#directory, name), String(value))
  }
}
