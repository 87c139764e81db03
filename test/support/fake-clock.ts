import type { Clock, Timer } from '../../src/client/clock.ts'

interface FakeTimer extends Timer {
  readonly at: number
  readonly action: () => void
  held: boolean
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  millis = 0
  /** What `random` answers. */
  luck = 0
  readonly timers = new Set<FakeTimer>()

  now(): number {
    return this.millis
  }

  random(): number {
    return this.luck
  }

  after(millis: number, action: () => void): Timer {
    const timer: FakeTimer = {
      at: this.millis + millis,
      action,
      held: false,
      cancel: () => {
        this.timers.delete(timer)
      },
      keepAlive(wanted) {
        timer.held = wanted
      },
    }
    this.timers.add(timer)
    return timer
  }

  /** Goes on by `millis`; timers run in their order, with pauses for promises between them. */
  async advance(millis: number): Promise<void> {
    const end = this.millis + millis
    await settle()
    for (;;) {
      const next = [...this.timers].filter((it) => it.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.timers.delete(next)
      this.millis = Math.max(this.millis, next.at)
      next.action()
      await settle()
    }
    this.millis = end
  }
}

/** Lets everything run that waits for nothing but its turn. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
