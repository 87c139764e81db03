// A disk that fails: one request of a run gets EIO, then the disk is healed and mounted afresh, so
// that what is verified is what is on the disk and not what a page cache remembers.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFileSystem, mountLoop, unmount } from './file-systems.mjs'
import { buildPlugin } from './plugin.mjs'
import { readTrace } from './trace.mjs'
import { TracedDisk } from './traced-disk.mjs'

export class BrokenDiskRig {
  #context
  #folder
  #kind
  #base

  // `context` is that of a test; `name` tells several rigs of a test apart; `kind` is 'ext4' or
  // 'xfs'.
  constructor(context, name, kind = 'ext4') {
    this.#context = context
    this.#kind = kind
    this.#folder = join(context.scratch, name)
    this.#base = join(this.#folder, 'base.img')
  }

  get folder() {
    return this.#folder
  }

  async open() {
    mkdirSync(this.#folder, { recursive: true })
    await makeFileSystem(this.#kind, this.#base)
  }

  // Runs write({ directory }) on a fresh disk on which `fault` ({ kind, nth, stays }, or null for
  // none) happens, then verify({ directory }) on what is left. Answers whether the fault was
  // reached, and how many writes and flushes the disk has done.
  async run(fault, { write, verify }) {
    const image = join(this.#folder, 'disk.img')
    copyFileSync(this.#base, image)
    const plugin = await buildPlugin(this.#context.scratch)
    const disk = new TracedDisk({ kind: this.#kind, image, folder: this.#folder, plugin })
    this.#context.cleanup(() => disk.stop())
    await disk.open()
    const before = disk.traceBytes
    if (fault !== null) disk.breakAt(fault.kind, fault.nth, { stays: fault.stays })
    let fired
    let until
    try {
      await write({ directory: disk.directory })
      fired = disk.fired
      until = disk.traceBytes
    } finally {
      disk.heal()
      await disk.stop()
    }
    // Read when it is whole: the kernel still writes back, and the end may be half a request.
    const outcome = { fired, ...countRequests(disk, before, until) }
    const directory = join(this.#folder, 'after')
    await mountLoop(this.#kind, image, directory)
    try {
      await verify({ directory })
    } finally {
      await unmount(directory)
    }
    rmSync(image)
    rmSync(disk.tracePath)
    return outcome
  }
}

function countRequests(disk, before, until) {
  const requests = readTrace(disk.tracePath).requests.filter(
    ({ end }) => end > before && end <= until,
  )
  const flush = requests.filter((request) => request.flush).length
  return { flush, write: requests.length - flush }
}
