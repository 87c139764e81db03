/**
 * A file in which the kernel tells how something stands, as /proc has them, that is read again and
 * again: it is kept open, so that to read it is one call of the system and no five.
 */

import { openSync, readSync } from 'node:fs'

/** Enough for most: that of a process names each group that it is in, and there may be many. */
const bytesAtFirst = 8192

export class ProcFile {
  readonly #path: string
  #bytes = Buffer.alloc(bytesAtFirst)
  #descriptor: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** As it is now. Throws where there is no such file. */
  read(): string {
    this.#descriptor ??= openSync(this.#path, 'r')
    for (;;) {
      const count = readSync(this.#descriptor, this.#bytes, 0, this.#bytes.length, 0)
      if (count < this.#bytes.length) return this.#bytes.toString('latin1', 0, count)
      this.#bytes = Buffer.alloc(2 * count)
    }
  }
}
