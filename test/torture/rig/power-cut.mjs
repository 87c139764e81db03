// The power cut: a program writes to a traced disk, then many disks are made as a cut could have
// left them, mounted (which replays the journal of the file system) and verified.
import { constants, copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { CutMaker } from './cut.mjs'
import { makeFileSystem, mountLoop, unmount } from './file-systems.mjs'
import { inLanes } from './lanes.mjs'
import { buildPlugin } from './plugin.mjs'
import { readTrace } from './trace.mjs'
import { TracedDisk } from './traced-disk.mjs'

const LANES = 2

export class PowerCutRig {
  #context
  #folder
  #kind
  #base
  #trace = null

  // `context` is that of a test (runner.mjs); `name` tells several rigs of a test apart; `kind` is
  // 'ext4' or 'xfs'.
  constructor(context, name, kind) {
    this.#context = context
    this.#kind = kind
    this.#folder = join(context.scratch, name)
    this.#base = join(this.#folder, 'base.img')
  }

  get folder() {
    return this.#folder
  }

  // Runs `write({ directory, tracePath })` on a fresh traced disk. What it does after it has
  // returned (unmounting) is in the trace, but is never cut.
  async record(write) {
    mkdirSync(this.#folder, { recursive: true })
    const image = join(this.#folder, 'disk.img')
    await makeFileSystem(this.#kind, this.#base)
    copyFileSync(this.#base, image, constants.COPYFILE_FICLONE)
    const plugin = await buildPlugin(this.#context.scratch)
    const disk = new TracedDisk({ kind: this.#kind, image, folder: this.#folder, plugin })
    this.#context.cleanup(() => disk.stop())
    await disk.open()
    await write({ directory: disk.directory, tracePath: disk.tracePath })
    const writtenBytes = disk.traceBytes
    await disk.stop()
    this.#trace = readTrace(disk.tracePath)
    this.#trace.requests = this.#trace.requests.filter((request) => request.end <= writtenBytes)
    rmSync(image)
  }

  get requestCount() {
    return this.#trace.requests.length
  }

  // Draws `count` cuts behind the trace position `after`, and calls verify({ directory, clock,
  // lane, index, random }) with each of them mounted; `clock` is the length of the trace that the
  // cut kept. A verify that throws a TortureFailure gets the place of the cut added, and the image
  // is kept as failed-cut.img.
  async cut(count, after, verify) {
    const { requests } = this.#trace
    const first = requests.findIndex((request) => request.end > after)
    if (first < 0) throw new Error('the writer acknowledged nothing that could be lost')
    const random = this.#context.random.fork(`${this.#folder.split('/').at(-1)}/cuts`)
    const indexes = Array.from({ length: count }, () => random.between(first, requests.length - 1))
    indexes.sort((left, right) => left - right)
    const maker = new CutMaker(this.#base, this.#trace)
    const cuts = indexes.map((index, number) => ({ index, number }))
    await inLanes(cuts, LANES, async ({ index, number }, lane) => {
      const image = join(this.#folder, `cut-${lane}.img`)
      const directory = join(this.#folder, `cut-${lane}`)
      const own = random.fork(number)
      const fate = maker.write(index, own, image)
      try {
        await mountAndVerify(this.#kind, image, directory, () =>
          verify({ directory, clock: requests[index].end, lane, index, random: own }),
        )
      } catch (error) {
        // Mounting has changed the image; a failure must be looked at as it was, so the cut is made
        // again.
        const again = new CutMaker(this.#base, this.#trace)
        again.write(index, random.fork(number), join(this.#folder, 'failed-cut.img'))
        const place = { index, requests: requests.length, fileSystem: this.#kind, ...fate }
        throw located(error, place)
      }
      rmSync(image)
    })
  }
}

async function mountAndVerify(kind, image, directory, verify) {
  try {
    await mountLoop(kind, image, directory)
  } catch (error) {
    throw new TortureFailure(`the file system does not mount after the cut: ${error.message}`, {
      cause: error,
    })
  }
  try {
    await verify()
  } finally {
    await unmount(directory)
  }
}

function located(error, place) {
  if (!(error instanceof TortureFailure)) return error
  const { index, requests, fileSystem } = place
  error.message += ` (cut behind request ${index} of ${requests} on ${fileSystem})`
  error.details = { ...error.details, cut: place }
  return error
}
