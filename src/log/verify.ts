/** Looks at a log from outside. */

import { binding } from './binding.ts'
import type { ScrubReport } from './log.ts'
import { checkDirectory } from './open-options.ts'

/**
 * Verifies a data directory that nobody has open, without changing it.
 * Rejects: LOG_LOCKED, FORMAT_UNSUPPORTED, CATALOG_UNREADABLE, ACCESS_DENIED, LOG_FAILED.
 */
export async function verify(dir: string): Promise<ScrubReport> {
  checkDirectory(dir)
  return await new Promise<ScrubReport>((resolve, reject) => {
    binding.verify(dir, (error, answer) => {
      if (error === undefined) resolve(answer as ScrubReport)
      else reject(error)
    })
  })
}
