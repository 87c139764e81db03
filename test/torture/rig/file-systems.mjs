// Making, mounting and unmounting file systems that live in a file. All of it needs root; run it in
// a private mount namespace (lib/namespace.mjs).
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { basename } from 'node:path'
import { hasTool, needTool } from '../lib/machine.mjs'
import { mustRun, run } from '../lib/processes.mjs'

const MIB = 1024 * 1024

// Nothing of an ext4 is left to be initialised after the mount: those writes would be broken, and cut,
// instead of the log's. `bytes` is small, so that thousands of images fit in memory; xfs refuses disks below 300 MiB
// unless told that the result is for a test.
const KINDS = {
  ext4: {
    tool: 'mkfs.ext4',
    args: [
      ...['-q', '-F', '-b', '4096'],
      ...['-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0'],
    ],
    mount: [],
    bytes: 64 * MIB,
  },
  // nouuid: several cuts of one disk are mounted at once.
  xfs: {
    tool: 'mkfs.xfs',
    args: ['-q', '-f', '-K', '--unsupported'],
    mount: ['nouuid'],
    bytes: 96 * MIB,
  },
}

const UNMOUNT_TRIES = 50
const UNMOUNT_PAUSE_MILLIS = 100

export function availableKinds() {
  return Object.keys(KINDS).filter((kind) => hasTool(KINDS[kind].tool))
}

// What has no tool here, in words for a report; empty where nothing is left out.
export function withoutKinds(has = hasTool) {
  const left = Object.keys(KINDS).filter((kind) => !has(KINDS[kind].tool))
  return left.map((kind) => `; without ${kind}, as there is no ${KINDS[kind].tool}`).join('')
}

export function needFileSystem(kind) {
  return needTool(KINDS[kind].tool)
}

export function createSparseFile(path, bytes) {
  const fd = openSync(path, 'w', 0o600)
  ftruncateSync(fd, bytes)
  closeSync(fd)
}

// A file with an empty file system; `bytes` defaults to the smallest that is useful.
export async function makeFileSystem(kind, path, bytes = KINDS[kind].bytes) {
  createSparseFile(path, bytes)
  await mustRun(KINDS[kind].tool, [...KINDS[kind].args, path])
}

// Mounts a file through a loop device, which detaches itself when the mount goes. Throws when the
// file system refuses.
export async function mountLoop(kind, path, directory) {
  mkdirSync(directory, { recursive: true })
  const options = ['loop', ...KINDS[kind].mount].join(',')
  await mustRun('mount', ['-t', kind, '-o', options, path, directory])
}

// The same, after prepare(name) has set up the loop device of that name, while nothing goes through
// it yet: Linux stands still for ever when the limits of a loop device are changed while it refuses
// a request to write zeros.
export async function mountPreparedLoop(kind, path, directory, prepare) {
  mkdirSync(directory, { recursive: true })
  const { stdout } = await mustRun('losetup', ['--find', '--show', path])
  const device = stdout.trim()
  try {
    prepare(basename(device))
    const options = ['rw', ...KINDS[kind].mount].join(',')
    await mustRun('mount', ['-t', kind, '-o', options, device, directory])
  } finally {
    // At once, or, once mounted, when the mount goes.
    await mustRun('losetup', ['--detach', device])
  }
}

// A mount can be busy for a moment after a process in it was killed. Never lazily: what comes next
// reads the device.
export async function unmount(directory) {
  let result
  for (let i = 0; i < UNMOUNT_TRIES; i++) {
    result = await run('umount', [directory])
    if (result.code === 0 || /not mounted|no mount point/.test(result.stderr)) return
    await new Promise((resolve) => setTimeout(resolve, UNMOUNT_PAUSE_MILLIS))
  }
  throw new Error(`umount ${directory}: ${result.stderr.trim()}`)
}
