// Wrong frames against a broker, from many sockets at once, while a bystander puts and reads.
import { setTimeout as wait } from 'node:timers/promises'
import {
  badFraming,
  badHandshake,
  badMessage,
  frame,
  TARGET,
  validMessage,
} from '../broker/bad-frames.mjs'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { RawLane } from '../broker/raw-lane.mjs'
import { mebibytes, memoryOf, percentile } from '../broker/resources.mjs'
import { isAnswer } from '../broker/server-frames.mjs'
import {
  createStream,
  GET_ITERATOR,
  GET_RECORDS,
  PUT_RECORD,
  recordsOf,
  WireClient,
} from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

// Connections come as fast as they can: whom a broker lets in at which rate is a matter of T-S2.
const MORE = ['--server-connects-per-second', '1000000']
const LANES = 24
const BURST = 12
// A connection that has outlived a burst is sent another one, up to so many.
const BURSTS_MAX = 6
const SAFE = 'safe'
const KEEP_MILLIS = 200
const BYSTANDER_MILLIS = 10
const BYSTANDER_MILLIS_MAX = 5000
// A frame that says that more will come gets no answer; nobody waits long for one.
const SILENCE_MILLIS_MAX = 30
const ANSWER_MILLIS_MAX = 5000
const WARM_SHARE = 0.1
const MEMORY_BYTES_MAX = 64 * 1024 * 1024
// Closes with any other code say that something is wrong with the broker.
const CODES = new Set([null, 4500])
// What damage can make of another request, and what gets no answer.
const CREDIT = 0x50
const KINDS = ['message', 'message', 'message', 'framing', 'fragments', 'handshake']

// Each answers how many frames the broker has seen and dealt with.
const attacks = {
  // Every request gets one answer, or ends the connection.
  async message(lane, random) {
    let sent = 0
    let isOver = false
    let answers = 0
    lane.onAnswer = (message) => {
      if (isAnswer(message)) answers += 1
    }
    for (let left = random.between(1, BURSTS_MAX); left > 0 && !isOver; left--) {
      const burst = Array.from({ length: BURST }, () => badMessage(random))
      sent += burst.filter((it) => it[1] !== CREDIT).length
      lane.write(Buffer.concat(burst.map((it) => frame(random, it))))
      await lane.until(() => answers >= sent, ANSWER_MILLIS_MAX)
      isOver = lane.isEnded || lane.closeCode !== null
      if (!isOver && answers < sent) {
        throw new TortureFailure(`${answers} of ${sent} messages were answered`)
      }
    }
    return answers + (isOver ? 1 : 0)
  },

  async framing(lane, random) {
    lane.write(Buffer.concat([badFraming(random), frame(random, validMessage(random))]))
    await lane.until(() => lane.answers > 0, SILENCE_MILLIS_MAX)
    return 1
  },

  async fragments(lane, random) {
    const message = random.chance(0.5) ? badMessage(random) : validMessage(random)
    const cut = random.below(message.length + 1)
    const parts = [frame(random, message.subarray(0, cut), 0x02)]
    if (random.chance(0.3)) parts.push(frame(random, new Uint8Array(random.below(126)), 0x89))
    parts.push(frame(random, message.subarray(cut), 0x80))
    lane.write(Buffer.concat(parts))
    await lane.until(() => lane.answers > 0, ANSWER_MILLIS_MAX)
    return 1
  },
}

async function attackOnce(port, random) {
  const kind = KINDS[random.below(KINDS.length)]
  const lane = new RawLane(port)
  try {
    if (kind === 'handshake') {
      lane.write(badHandshake(random))
      await lane.until(() => false, random.below(SILENCE_MILLIS_MAX))
      return 1
    }
    if (!(await lane.open(ANSWER_MILLIS_MAX))) {
      throw new TortureFailure('the broker takes no connections any more')
    }
    const seen = await attacks[kind](lane, random)
    // A close of ours is echoed with whatever code it had.
    if (kind !== 'framing' && !CODES.has(lane.closeCode))
      throw new TortureFailure(`a close with ${lane.closeCode}`)
    return seen
  } finally {
    lane.destroy()
  }
}

// Puts one record after the other, until it is told to stop; then reads all of them.
async function bystand(url, state) {
  const client = await WireClient.connect(url)
  const put = []
  while (!state.isOver) {
    const before = performance.now()
    const text = `record ${put.length}`
    const request = client.ask(PUT_RECORD, SAFE, null, [['k', Buffer.from(text)]], null, 0, 0)
    await Promise.race([request, wait(BYSTANDER_MILLIS_MAX, null, { ref: false })])
    state.millis.push(performance.now() - before)
    if (state.millis.at(-1) >= BYSTANDER_MILLIS_MAX) throw new TortureFailure('a bystander waits')
    put.push(text)
    await wait(BYSTANDER_MILLIS)
  }
  let [iterator] = await client.ask(GET_ITERATOR, SAFE, '0', 'TRIM_HORIZON')
  const found = []
  for (let count = 1; count > 0; ) {
    const answer = await client.ask(GET_RECORDS, iterator)
    iterator = answer[0]
    const records = recordsOf(answer)
    count = records.length
    found.push(...records.map(({ data }) => Buffer.from(data).toString()))
  }
  client.close()
  if (found.join() !== put.join()) {
    throw new TortureFailure(`a bystander put ${put.length} records and found ${found.length}`)
  }
}

// A damaged message can be one that deletes the stream; without it there would be nothing to scan.
async function keepTarget(url, state) {
  const client = await WireClient.connect(url)
  while (!state.isOver) {
    await createStream(client, TARGET, 2)
    await wait(KEEP_MILLIS)
  }
  client.close()
}

async function runTest(context) {
  const { directory, count, random } = context
  const port = await freePort(random)
  const broker = new BrokerProcess(directory, port, { more: MORE })
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const setup = await WireClient.connect(url)
  for (const name of [SAFE, TARGET]) await createStream(setup, name, 1)
  setup.close()

  const state = { isOver: false, millis: [] }
  context.cleanup(() => {
    state.isOver = true
  })
  const others = [bystand(url, state), keepTarget(url, state)]
  let done = 0
  let warm = null
  let most = 0
  const attack = async (_, lane) => {
    const own = random.fork(`lane ${lane}`)
    while (done < count && !state.isOver) {
      const seen = await attackOnce(port, own)
      done += seen
      if (warm === null && done >= count * WARM_SHARE) warm = memoryOf(broker.pid)
      if (own.chance(0.02)) most = Math.max(most, memoryOf(broker.pid))
      context.progress(Math.min(done, count))
    }
  }
  const ended = broker.ended.then(({ code, signal }) => {
    if (!state.isOver) throw new TortureFailure(`the broker ended: ${code ?? signal}`)
  })
  const attacking = Promise.all(Array.from({ length: LANES }, attack))
  await Promise.race([attacking, ended, ...others.map((it) => it.then(() => ended))])
  state.isOver = true
  await Promise.all(others)

  const growth = Math.max(most, memoryOf(broker.pid)) - warm
  const status = await broker.stop()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  if (growth > MEMORY_BYTES_MAX) throw new TortureFailure(`${mebibytes(growth)} MiB more memory`)
  const { millis } = state
  const p99 = Math.round(percentile(millis, 0.99))
  return {
    trials: done,
    note: `memory ${mebibytes(growth)} MiB more, a bystander's ${millis.length} puts: p99 ${p99} ms`,
    details: { growth, p99 },
  }
}

export const tests = [
  {
    id: 'T-F2',
    title: 'malformed WebSocket and MessagePack frames',
    unit: 'frames',
    counts: { ci: 100_000, full: 10_000_000 },
    skip: needBuild,
    run: runTest,
  },
]
