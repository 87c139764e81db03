/**
 * What the kernel counts against the control group of this process (version 2), and kills it for:
 * its own memory is not all of that. Files that are read, or mapped and written back, do not count:
 * the kernel takes them back by itself. Elsewhere nothing is known.
 */

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { renewed } from './renewed.ts'

export interface GroupMemory {
  readonly bytes: number
  readonly bytesMax: number
}

/** Where the kernel tells of groups, and of which one this process is in. */
export interface GroupPlaces {
  readonly root: string
  readonly self: string
}

const places: GroupPlaces = { root: '/sys/fs/cgroup', self: '/proc/self/cgroup' }
// A group may get a bound, or lose it, and a process may be moved, at any time.
const directoryOfGroup = renewed(() => boundedGroup(places))

/** Undefined where there is no such group, or nothing bounds it. */
export function groupMemory(): GroupMemory | undefined {
  const directory = directoryOfGroup()
  return directory === undefined ? undefined : memoryOf(directory)
}

/** Undefined where it cannot be read: the process was moved to another group. */
export function memoryOf(directory: string): GroupMemory | undefined {
  try {
    const [current, stat, max] = ['current', 'stat', 'max'].map((name) =>
      readFileSync(join(directory, `memory.${name}`), 'latin1'),
    ) as [string, string, string]
    return parseGroupMemory(current, stat, max)
  } catch {
    return undefined
  }
}

/** The group of this process, or the nearest one around it that has a bound. */
export function boundedGroup({ root, self }: GroupPlaces): string | undefined {
  try {
    const path = parseGroupPath(readFileSync(self, 'latin1'))
    if (path === undefined) return undefined
    // Without the slash at the end that the path of the root is.
    const own = join(root, path === '/' ? '' : path)
    for (let directory = own; ; directory = dirname(directory)) {
      const file = join(directory, 'memory.max')
      if (existsSync(file) && readFileSync(file, 'latin1').trim() !== 'max') return directory
      if (directory.length <= root.length) return undefined
    }
  } catch {
    return undefined // only Linux has these files
  }
}

/** The path of the group of version 2, in what Linux says of the groups of a process. */
export function parseGroupPath(text: string): string | undefined {
  return /^0::(\/.*)$/m.exec(text)?.[1]
}

/** Of the contents of memory.current, memory.stat and memory.max; undefined: there is no bound. */
export function parseGroupMemory(
  current: string,
  stat: string,
  max: string,
): GroupMemory | undefined {
  const bytesMax = Number.parseInt(max, 10)
  const all = Number.parseInt(current, 10)
  if (Number.isNaN(bytesMax) || Number.isNaN(all)) return undefined
  const reclaimable = ['active_file', 'inactive_file', 'slab_reclaimable'].reduce(
    (sum, name) => sum + Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0),
    0,
  )
  return { bytes: Math.max(0, all - reclaimable), bytesMax }
}
