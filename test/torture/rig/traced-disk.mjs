// A disk whose every write and flush is recorded, and that can be told to fail, under a real file
// system: trace_disk.so (nbdkit) -> nbdfuse -> loop device -> ext4 or xfs. It is dm-log-writes and
// dm-flakey in user space.
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, start } from '../lib/processes.mjs'
import { mountPreparedLoop, unmount } from './file-systems.mjs'

const START_MILLIS_MAX = 10_000

// FUSE splits a write that is long, or does not begin at a page, and the loop driver takes a write
// that was cut short by an error in a later piece for a success: the disk would lie. So a request
// never needs two pieces: it is short, and the file systems have blocks of a page.
const REQUEST_KIB_MAX = 64

function boundRequests(loop) {
  writeFileSync(`/sys/block/${loop}/queue/max_sectors_kb`, String(REQUEST_KIB_MAX))
}

export class TracedDisk {
  #kind
  #folder
  #image
  #plugin
  #server = null
  #mounted = false

  // `kind` is the file system in it. `image` is the content of the disk, a file that stays up to
  // date: after stop() it is what is on the disk. `folder` is for sockets, trace and mount points.
  // A cleanup has to call stop().
  constructor({ kind, image, folder, plugin }) {
    this.#kind = kind
    this.#image = image
    this.#folder = folder
    this.#plugin = plugin
  }

  get directory() {
    return join(this.#folder, 'mnt')
  }

  get tracePath() {
    return join(this.#folder, 'trace')
  }

  get #device() {
    return join(this.#folder, 'nbd')
  }

  get #faultPath() {
    return join(this.#folder, 'fault')
  }

  // The clock of the rig: what was durable when it stood at n lies in the first n bytes of the
  // trace.
  get traceBytes() {
    return statSync(this.tracePath).size
  }

  // Starts the disk and mounts its file system.
  async open() {
    mkdirSync(this.#device, { recursive: true })
    const plugin = [`disk=${this.#image}`, `trace=${this.tracePath}`, `fault=${this.#faultPath}`]
    const nbdkit = ['nbdkit', '-s', '--exit-with-parent', this.#plugin, ...plugin]
    const file = join(this.#device, 'disk')
    this.#server = start('nbdfuse', [file, '--command', ...nbdkit])
    let ended = null
    this.#server.ended.then((end) => {
      ended = end
    })
    for (let waited = 0; !existsSync(file); waited += 2) {
      if (ended !== null)
        throw new Error(`nbdfuse ended at once (${ended.error ?? `status ${ended.code}`})`)
      if (waited > START_MILLIS_MAX) throw new Error('nbdfuse does not show its disk')
      await sleep(2)
    }
    await mountPreparedLoop(this.#kind, file, this.directory, boundRequests)
    this.#mounted = true
  }

  // From now on the Nth request of a kind ('write', 'flush' or 'any') fails with EIO; with `stays`
  // every later one too.
  breakAt(kind, nth, { stays = false } = {}) {
    rmSync(this.firedPath, { force: true })
    writeFileSync(`${this.#faultPath}.new`, `${kind} ${nth} ${stays ? 'stay' : 'once'}\n`)
    rmSync(this.#faultPath, { force: true })
    // The plugin looks at the file on every request, so it has to appear whole.
    renameSync(`${this.#faultPath}.new`, this.#faultPath)
  }

  heal() {
    rmSync(this.#faultPath, { force: true })
  }

  get firedPath() {
    return `${this.#faultPath}.fired`
  }

  // Whether a request has been failed since breakAt().
  get fired() {
    return existsSync(this.firedPath)
  }

  // Unmounts and ends the disk. Safe to call twice, and after a failed open().
  async stop() {
    if (this.#mounted) await unmount(this.directory)
    this.#mounted = false
    if (this.#server === null) return
    const server = this.#server
    this.#server = null
    // nbdfuse ends by itself when its mount goes; one that never mounted is ended by hand.
    const { code } = await run('umount', [join(this.#device, 'disk')]).catch(() => ({ code: 1 }))
    if (code !== 0 && (await run('umount', [this.#device])).code !== 0) server.kill('SIGTERM')
    await server.ended
  }
}
