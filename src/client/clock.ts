/** Time, as the client needs it; tests bring their own. */

export interface Timer {
  cancel(): void
  /** Whether the process may end while the timer runs: it may, unless this is called with true. */
  keepAlive(wanted: boolean): void
}

export interface Clock {
  /** Milliseconds since any fixed moment; never goes back. */
  now(): number
  /** Calls `action` once after `millis`. */
  after(millis: number, action: () => void): Timer
  /** From 0 up to, not including, 1. */
  random(): number
}

/** A timer that is set for longer than this runs out at once. */
export const timerMillisMax: number = 2 ** 31 - 1

/** The timeouts of browsers are numbers; those of Node are objects, which can be let go of. */
interface NodeTimeout {
  ref(): void
  unref(): void
}

/** What calls back in the next turn of the event loop; in browsers a timeout must do. */
interface Immediates {
  readonly setImmediate?: (action: () => void) => NodeTimeout
  readonly clearImmediate?: (immediate: NodeTimeout) => void
}

const { setImmediate: soon, clearImmediate: notSoon } = globalThis as unknown as Immediates

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  after(millis, action) {
    if (millis <= 0 && soon !== undefined) {
      const immediate = soon(action)
      return timerOf(immediate, () => notSoon?.(immediate))
    }
    const timeout: unknown = setTimeout(action, millis)
    return timerOf(timeout, () => clearTimeout(timeout as number))
  },
}

function timerOf(timeout: unknown, cancel: () => void): Timer {
  const inNode = typeof timeout === 'object' ? (timeout as NodeTimeout) : undefined
  inNode?.unref()
  return {
    cancel,
    keepAlive(wanted) {
      if (wanted) inNode?.ref()
      else inNode?.unref()
    },
  }
}
