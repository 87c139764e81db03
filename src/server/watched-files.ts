/** Files that are read again when they change. */

import { stat } from 'node:fs/promises'

/** Each with its state from before it was read: what changes meanwhile is seen later. */
export class WatchedFiles {
  readonly #states = new Map<string, string>()

  /** To be called before a file is read. */
  async add(path: string): Promise<void> {
    this.#states.set(path, await stateOf(path))
  }

  async hasChanged(): Promise<boolean> {
    for (const [path, state] of this.#states) if ((await stateOf(path)) !== state) return true
    return false
  }
}

async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
