/** The memory of control groups of version 2, in a folder that looks as the kernel's does. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { boundedGroup, memoryOf } from '../../../src/server/control-group.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-group-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function group(path: string, files: Readonly<Record<string, string>>): string {
  const directory = join(root, path)
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, `memory.${name}`), text)
  }
  return directory
}

function placesIn(cgroup: string) {
  const self = join(root, 'self')
  writeFileSync(self, cgroup)
  return { root, self }
}

const stat =
  'anon 300000\nfile 500000\nactive_file 200000\ninactive_file 100000\nslab_reclaimable 50000\n'

describe('the control group of a process', () => {
  it('is that of version 2 which it is in, with what the kernel cannot take back', () => {
    const own = group('system.slice/millrace.service', {
      max: '536870912\n',
      current: '900000\n',
      stat,
    })
    const found = boundedGroup(placesIn('0::/system.slice/millrace.service\n'))
    expect(found).toBe(own)
    expect(memoryOf(own)).toEqual({ bytes: 550_000, bytesMax: 536_870_912 })
  })

  it('is the nearest one around it that has a bound', () => {
    const outer = group('kubepods', { max: '1000000\n', current: '10\n', stat: '' })
    group('kubepods/pod', { max: 'max\n', current: '10\n', stat: '' })
    group('kubepods/pod/container', { max: 'max\n', current: '10\n', stat: '' })
    expect(boundedGroup(placesIn('0::/kubepods/pod/container\n'))).toBe(outer)
    expect(memoryOf(outer)).toEqual({ bytes: 10, bytesMax: 1_000_000 })
  })

  it('is the root of a namespace of its own, where that has a bound', () => {
    const own = group('', { max: '2000000\n', current: '1000000\n', stat: '' })
    expect(boundedGroup(placesIn('0::/\n'))).toBe(own)
  })

  it('is none where nothing bounds it, or the groups are of version 1', () => {
    group('system.slice', { max: 'max\n', current: '10\n', stat: '' })
    expect(boundedGroup(placesIn('0::/system.slice\n'))).toBe(undefined)
    expect(boundedGroup(placesIn('12:memory:/system.slice\n1:name=systemd:/\n'))).toBe(undefined)
    expect(boundedGroup({ root, self: join(root, 'nowhere') })).toBe(undefined)
  })

  it('has no memory to tell of when it is gone, or what is there is no number', () => {
    const own = group('a', { max: '1000\n', current: '10\n', stat: '' })
    rmSync(own, { recursive: true })
    expect(memoryOf(own)).toBe(undefined)
    expect(memoryOf(group('b', { max: 'max\n', current: '10\n', stat: '' }))).toBe(undefined)
    expect(memoryOf(group('c', { max: '1000\n', current: 'much\n', stat: '' }))).toBe(undefined)
    // More of it can be taken back than is there: the files are not read at one moment.
    expect(memoryOf(group('d', { max: '1000\n', current: '10\n', stat }))).toEqual({
      bytes: 0,
      bytesMax: 1000,
    })
  })
})
