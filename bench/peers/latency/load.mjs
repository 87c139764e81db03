// node load.mjs PROTOCOL PORT RATE RECORDS WARM_UP SUBSCRIBERS [SECONDS]: publishes records of 100 B
// one by one at the times of a timetable, whatever the peer does, and says as JSON how long each took
// from when it was due until each subscriber had it. Never sleeps, as its own wake-ups would be measured.
// With SECONDS, which NATS has, records stay and the next load adds to them. So long after the last was
// due it ends when all are acknowledged, and what has not come counts as if it came then: a peer that
// cannot keep up has a figure, too.
import { payload } from '../lib/records.mjs'
import { connectNats } from './nats.mjs'
import { connectRedis } from './redis.mjs'

const leadMillis = 20
/** Later than this the time of a record says more about the load than about the peer. */
const lateMillis = 0.05

const protocols = { nats: connectNats, redis: connectRedis }
const [name, ...numbers] = process.argv.slice(2)
const [port, rate, records, warmUp, subscribers, keptSeconds] = numbers.map(Number)
const isKept = keptSeconds !== undefined
const patienceMillis = (keptSeconds ?? 30) * 1000

const data = payload(100)
const micros = new Float64Array((records - warmUp) * subscribers)
let measured = 0
let start = Number.POSITIVE_INFINITY
const dueAt = (record) => start + (record / rate) * 1000

/** The records that one subscriber has; they come in the order in which they were published. */
class Received {
  count = 0

  /** So many more, which came now. */
  take(more) {
    const now = performance.now()
    for (let i = 0; i < more; i += 1) {
      if (this.count >= records) throw new Error('more records came than were published')
      if (this.count >= warmUp) {
        micros[measured] = (now - dueAt(this.count)) * 1000
        measured += 1
      }
      this.count += 1
    }
  }
}

const quantile = (sorted, share) =>
  sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]

const receivedOf = (count, wanted) =>
  count === wanted ? `${count} records received` : `${count} of ${wanted} records received in time`

const all = Array.from({ length: subscribers }, () => new Received())
const peer = await protocols[name]({ port, data, subscribers: all, isKept })
start = performance.now() + leadMillis
let sent = 0
let late = 0
const isOver = () => performance.now() > dueAt(records) + patienceMillis
const mayPublish = () => sent - peer.acknowledged() < (peer.inFlightMax ?? records)
const haveAll = () => all.every((it) => it.count === records)
while (peer.acknowledged() < records || !(haveAll() || (isKept && isOver()))) {
  const now = performance.now()
  for (; sent < records && dueAt(sent) <= now && mayPublish(); sent += 1) {
    if (now - dueAt(sent) > lateMillis) late += 1
    peer.publish()
  }
  if (!isKept && isOver()) {
    const counts = all.map((it) => it.count).join(', ')
    const acknowledged = `of ${sent}, ${peer.acknowledged()} were acknowledged`
    throw new Error(`records did not come in time: ${acknowledged}, subscribers got ${counts}`)
  }
  await new Promise(setImmediate)
}
await peer.close()
const received = all.reduce((sum, it) => sum + it.count, 0)
for (const it of all) it.take(records - it.count)
const sorted = micros.toSorted()
const report = {
  records: records * subscribers,
  p50: quantile(sorted, 0.5),
  p99: quantile(sorted, 0.99),
  'p99.9': quantile(sorted, 0.999),
  max: sorted.at(-1),
  lateShare: late / records,
  check: `${receivedOf(received, records * subscribers)}, in order, and ${records} acknowledged`,
}
process.stdout.write(`${JSON.stringify(report)}\n`)
