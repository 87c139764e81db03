// What must be on disk before it is handed on, without a log: what comes while a sync runs shares the
// next one. A file that has all of its blocks, so that a sync writes its data and no metadata.
import { closeSync, fdatasync, fdatasyncSync, openSync, writeSync } from 'node:fs'

const fileBytes = 64 * 1024 * 1024

export class SyncedFile {
  #fd
  #encode
  #done
  #at = 0
  #isSyncing = false
  #waiting = []

  /** `encode` has the bytes of a group of items, `done` is told of both when they are on disk. */
  constructor(path, encode, done) {
    this.#encode = encode
    this.#done = done
    this.#fd = openSync(path, 'w')
    writeSync(this.#fd, new Uint8Array(fileBytes))
    fdatasyncSync(this.#fd)
  }

  write(item) {
    this.#waiting.push(item)
    if (!this.#isSyncing) this.#sync()
  }

  close() {
    closeSync(this.#fd)
  }

  #sync() {
    const group = this.#waiting
    this.#waiting = []
    this.#isSyncing = true
    const bytes = this.#encode(group)
    if (this.#at + bytes.length > fileBytes) this.#at = 0
    this.#at += writeSync(this.#fd, bytes, 0, bytes.length, this.#at)
    fdatasync(this.#fd, (error) => {
      if (error) throw error
      this.#isSyncing = false
      if (this.#waiting.length > 0) this.#sync()
      this.#done(group, bytes)
    })
  }
}
