/**
 * A file in which the kernel tells how something stands, as /proc has them, that is read again and
 * again: it is kept open, so that to read it is one call of the system and no five.
 */

import { openSync, readSync } from 'node:fs'

const bytesMax = 8192

export class ProcFile {
  readonly #path: string
  readonly #bytes = Buffer.alloc(bytesMax)
  #descriptor: number | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** As it is now, its first 8 KiB. Throws where there is no such file. */
  read(): string {
    this.#descriptor ??= openSync(this.#path, 'r')
    const count = readSync(this.#descriptor, this.#bytes, 0, bytesMax, 0)
    return this.#bytes.toString('latin1', 0, count)
  }
}
