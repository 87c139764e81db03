/** A clock that never steps, and goes on while the machine sleeps. */

import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

export interface SteadyClock {
  /** Names the run of the machine that the clock began with; undefined where it has no name. */
  readonly bootId: string | undefined
  /** Milliseconds since some time. */
  millis(): number
}

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** The machine's clock: how long it has been running. */
export function machineClock(): SteadyClock {
  return { bootId: readBootId(), millis: () => Math.floor(uptime() * 1000) }
}

/** Linux alone has one; without it only the time counts for which a broker runs. */
function readBootId(): string | undefined {
  try {
    return readFileSync(bootIdFile, 'utf8').trim()
  } catch {
    return undefined
  }
}
