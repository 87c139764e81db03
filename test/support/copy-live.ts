/** Copies of data directories, as a kill would leave them. */

import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Copies a directory that is in use: a file that the log frees meanwhile is not missed. */
export function copyLive(from: string, to: string): void {
  mkdirSync(to)
  for (const found of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, found.name), join(to, found.name)]
    if (found.isDirectory()) {
      copyLive(source, target)
      continue
    }
    try {
      copyFileSync(source, target)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
