// The least that a log does: one write for a batch, into a file that has all of its blocks, without a
// header, a checksum or an index. What was written survives the process, as with `os`.
import { closeSync, openSync, writeSync } from 'node:fs'

const fileBytes = 64 * 1024 * 1024

export class RawLog {
  #fd
  #at = 0

  constructor(path) {
    this.#fd = openSync(path, 'w')
    writeSync(this.#fd, new Uint8Array(fileBytes))
  }

  append(bytes) {
    if (this.#at + bytes.length > fileBytes) this.#at = 0
    this.#at += writeSync(this.#fd, bytes, 0, bytes.length, this.#at)
  }

  close() {
    closeSync(this.#fd)
  }
}
