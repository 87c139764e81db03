// What the turns of a server came to whose load generator counts records.
import { Series } from '../micro/harness.mjs'

/** Below this share of idle time the generator is the limit, and the figure says so. */
const idleShareMin = 0.1

/** The resolution of the generator's report: the smallest loads are over within it. */
export const reportedSecondsMin = 1e-6

export class Turns {
  rate = new Series()
  cpuRate = new Series()
  idle = new Series()
  last

  add(report) {
    const { records, seconds, serverCpuSeconds, idleShare } = report
    this.rate.add(records / Math.max(seconds, reportedSecondsMin))
    this.cpuRate.add(records / Math.max(serverCpuSeconds, reportedSecondsMin))
    this.idle.add(idleShare)
    this.last = report
  }

  /** CPU seconds of both sides in the last turn. */
  get cpuSeconds() {
    const { seconds, serverCpuSeconds, idleShare } = this.last
    return { broker: serverCpuSeconds, generator: (1 - idleShare) * seconds }
  }

  /** A mark for a name. */
  get mark() {
    return this.idle.median < idleShareMin ? ' (bound by the generator)' : ''
  }
}
