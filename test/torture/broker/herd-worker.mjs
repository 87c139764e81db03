// Clients as they are shipped, many of them, each with a subscription to a stream of one shard, in a
// thread of their own: `workerData` says where. To each message it posts its figures; a mark begins to
// count anew, when the broker has ended.
import { subscribe as onChannel } from 'node:diagnostics_channel'
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from 'millrace/client'

const { url, stream, count } = workerData
const TOGETHER = 50
// Of one, beside thousands of others.
const JOIN_MILLIS_MAX = 60_000
const PEAK_MILLIS = 100

const members = []
let failure = null
// Since the mark: sockets that were opened, how many of them in a tenth of a second at the most, and
// for how long somebody who was back heard nothing.
const figures = { attempts: 0, peak: 0, silentMillis: 0 }
const window = { startedAt: 0, attempts: 0 }

onChannel('net.client.socket', () => {
  const now = performance.now()
  if (now - window.startedAt >= PEAK_MILLIS) Object.assign(window, { startedAt: now, attempts: 0 })
  window.attempts += 1
  figures.attempts += 1
  figures.peak = Math.max(figures.peak, window.attempts)
})

function fail(error) {
  failure ??= error.message
}

// Whoever comes back goes on with the very next record.
function take(member, batch) {
  if (batch.gap !== undefined) throw new Error('a client of the herd was told of a gap')
  const first = batch.firstSequenceNumber
  if (member.next !== undefined && first !== member.next) {
    throw new Error(`record ${first} came instead of ${member.next}`)
  }
  member.next = first + BigInt(batch.recordCount)
  if (!member.isOpen) return
  const now = performance.now()
  if (member.isBack) {
    figures.silentMillis = Math.max(figures.silentMillis, now - member.heardAt)
  }
  Object.assign(member, { isBack: true, heardAt: now })
}

async function read(member, subscription) {
  for await (const batch of subscription) take(member, batch)
  throw new Error('a subscription of the herd has ended')
}

async function join() {
  const client = await connect(url, { connectTimeoutMillis: JOIN_MILLIS_MAX })
  const member = { client, isOpen: true, isBack: false, heardAt: 0, next: undefined }
  client.on('state', (state) => {
    member.isOpen = state === 'open'
    if (!member.isOpen) member.isBack = false
    if (state === 'closed') fail(new Error('a client of the herd has given up'))
  })
  members.push(member)
  read(member, client.subscribe(stream)).catch(fail)
}

// `next` is what comes behind everything that somebody has to have had.
function look(next) {
  const countOf = (isSo) => members.filter(isSo).length
  const back = countOf((it) => it.isBack)
  const done = countOf((it) => it.next >= next)
  return { ...figures, back, done, failure }
}

parentPort.on('message', ({ isMark, next }) => {
  if (isMark) Object.assign(figures, { attempts: 0, peak: 0, silentMillis: 0 })
  parentPort.postMessage(look(next))
})

for (let left = count; left > 0 && failure === null; left -= TOGETHER) {
  await Promise.all(Array.from({ length: Math.min(left, TOGETHER) }, () => join().catch(fail)))
}
