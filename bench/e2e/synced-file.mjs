// What must be on disk before it is handed on, without a log: what comes while a sync runs shares the
// next one. A file that has all of its blocks, so that a sync writes its data and no metadata.
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs'

const fileBytes = 64 * 1024 * 1024

export class SyncedFile {
  #fd
  #at = 0
  #isSyncing = false
  #waiting = []

  constructor(path) {
    this.#fd = openSync(path, 'w')
    writeSync(this.#fd, new Uint8Array(fileBytes))
    fdatasyncSync(this.#fd)
  }

  /** Calls `done` when the bytes are on disk. */
  write(bytes, done) {
    if (this.#at + bytes.length > fileBytes) this.#at = 0
    writeSync(this.#fd, bytes, 0, bytes.length, this.#at)
    this.#at += bytes.length
    this.#waiting.push(done)
    if (!this.#isSyncing) this.#sync()
  }

  close() {
    closeSync(this.#fd)
  }

  #sync() {
    const group = this.#waiting
    this.#waiting = []
    this.#isSyncing = true
    fdatasync(this.#fd, (error) => {
      if (error) throw error
      this.#isSyncing = false
      if (this.#waiting.length > 0) this.#sync()
      for (const done of group) done()
    })
  }
}
