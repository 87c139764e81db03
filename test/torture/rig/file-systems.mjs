// Making, mounting and unmounting file systems that live in a file. All of it needs root; run it in
// a private mount namespace (lib/namespace.mjs).
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { hasTool, needTool } from '../lib/machine.mjs'
import { mustRun, run } from '../lib/processes.mjs'

const MIB = 1024 * 1024

// `bytes` is small, so that thousands of images fit in memory; xfs refuses disks below 300 MiB
// unless told that the result is for a test.
const KINDS = {
  ext4: {
    tool: 'mkfs.ext4',
    args: ['-q', '-F', '-b', '4096', '-E', 'nodiscard'],
    mount: 'loop',
    bytes: 64 * MIB,
  },
  // nouuid: several cuts of one disk are mounted at once.
  xfs: {
    tool: 'mkfs.xfs',
    args: ['-q', '-f', '-K', '--unsupported'],
    mount: 'loop,nouuid',
    bytes: 96 * MIB,
  },
}

const UNMOUNT_TRIES = 50
const UNMOUNT_PAUSE_MILLIS = 100

export function availableKinds() {
  return Object.keys(KINDS).filter((kind) => hasTool(KINDS[kind].tool))
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
  await mustRun('mount', ['-t', kind, '-o', KINDS[kind].mount, path, directory])
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
