/** A short name for a whole configuration, for the line of a start. */

import { createHash } from 'node:crypto'
import { type ResolvedConfig, shownValue } from './config.ts'

/** Of the settings as they may be shown: nobody can try secrets against it. */
export function configurationHash({ resolved }: Pick<ResolvedConfig, 'resolved'>): string {
  const shown = resolved.map((it) => [it.setting.path, shownValue(it)])
  return createHash('sha256').update(JSON.stringify(shown)).digest('hex').slice(0, 12)
}
