/** The two clocks of a machine, that of the wall and the one that never steps, moved by hand. */

import type { SteadyClock } from '../../src/stream/steady-clock.ts'

export class FakeClocks implements SteadyClock {
  /** At the present, as the log stamps records with the clock of this machine. */
  wallMillis: number = Date.now()
  steadyMillis = 1_000_000
  bootId: string | undefined = 'boot-1'
  readonly now = (): number => this.wallMillis

  millis(): number {
    return this.steadyMillis
  }

  /** Time goes by. */
  pass(millis: number): void {
    this.wallMillis += millis
    this.steadyMillis += millis
  }

  /** The machine is started again; nobody knows how long it was off. */
  restart(bootId: string): void {
    this.bootId = bootId
    this.steadyMillis = 5000
  }
}
