// Wrong frames from many sockets at once, in a thread of its own: who measures what they do to others
// does not wait for them. `workerData`: the port, the seed, how many frames a second at most, and the
// token of the principal that sends most of them. Posts how many the broker has dealt with, and how
// many connections that took. A message is how many a second from then on; 0: it is over. Throws when
// the broker is wrong.
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { TortureFailure } from '../lib/failure.mjs'
import { Random } from '../lib/random.mjs'
import {
  badFraming,
  badHandshake,
  badMessage,
  frame,
  pollutingMessage,
  validMessage,
  wrongMessage,
} from './bad-frames.mjs'
import { RawLane } from './raw-lane.mjs'
import { isAnswer } from './server-frames.mjs'

const LANES = 24
const BURST = 16
// A connection that has outlived a burst is sent another one, up to so many.
const BURSTS_MAX = 40
// A frame that says that more will come gets no answer; nobody waits long for one.
const SILENCE_MILLIS_MAX = 30
const ANSWER_MILLIS_MAX = 5000
const REPORT_MILLIS = 200
const PAUSE_MILLIS = 2
// Closes with any other code say that something is wrong with the broker: a frame that breaks a rule,
// a token that does not fit.
const CODES = new Set([null, 4500, 4504])
// What damage can make of another request, and what gets no answer.
const CREDIT = 0x50
const KINDS = ['wrong', 'wrong', 'wrong', 'bad', 'bad', 'framing', 'fragments', 'handshake']
// Of connections with wrong requests.
const POLLUTING_CHANCE = 0.3
// One in so many comes without a token, which nothing is done for.
const STRANGER_CHANCE = 0.05

const { port, seed, perSecond, token } = workerData
const random = new Random(seed)
let pace = { perSecond, since: performance.now(), booked: 0 }
let done = 0
let connections = 0
let isOver = false
parentPort.on('message', (message) => {
  isOver ||= message === 0
  if (isOver) parentPort.unref()
  pace = { perSecond: message, since: performance.now(), booked: 0 }
})

// Every request gets one answer, or ends the connection.
async function messages(lane, own, makeMessage) {
  let sent = 0
  let hasEnded = false
  let answers = 0
  lane.onAnswer = (message) => {
    if (isAnswer(message)) answers += 1
  }
  for (let left = own.between(1, BURSTS_MAX); left > 0 && !hasEnded && !isOver; left--) {
    await turn(BURST)
    const burst = Array.from({ length: BURST }, () => makeMessage(own))
    sent += burst.filter((it) => it[1] !== CREDIT).length
    lane.write(Buffer.concat(burst.map((it) => frame(own, it))))
    await lane.until(() => answers >= sent, ANSWER_MILLIS_MAX)
    hasEnded = lane.isEnded || lane.closeCode !== null
    if (!hasEnded && answers < sent) {
      throw new TortureFailure(`${answers} of ${sent} messages were answered`)
    }
  }
  return answers + (hasEnded ? 1 : 0)
}

// Each answers how many frames the broker has seen and dealt with.
const attacks = {
  wrong: (lane, own) =>
    messages(lane, own, own.chance(POLLUTING_CHANCE) ? pollutingMessage : wrongMessage),

  bad: (lane, own) => messages(lane, own, badMessage),

  async framing(lane, own) {
    lane.write(Buffer.concat([badFraming(own), frame(own, validMessage(own))]))
    await lane.until(() => lane.answers > 0, SILENCE_MILLIS_MAX)
    return 1
  },

  async fragments(lane, own) {
    const message = own.chance(0.5) ? badMessage(own) : validMessage(own)
    const cut = own.below(message.length + 1)
    const parts = [frame(own, message.subarray(0, cut), 0x02)]
    if (own.chance(0.3)) parts.push(frame(own, new Uint8Array(own.below(126)), 0x89))
    parts.push(frame(own, message.subarray(cut), 0x80))
    lane.write(Buffer.concat(parts))
    await lane.until(() => lane.answers > 0, ANSWER_MILLIS_MAX)
    return 1
  },
}

async function attackOnce(own) {
  const kind = KINDS[own.below(KINDS.length)]
  const headers = own.chance(STRANGER_CHANCE) ? [] : [`Authorization: Bearer ${token}`]
  const lane = new RawLane(port, { headers })
  connections += 1
  try {
    if (kind === 'handshake') {
      lane.write(badHandshake(own))
      await lane.until(() => false, own.below(SILENCE_MILLIS_MAX))
      return 1
    }
    if (!(await lane.open(ANSWER_MILLIS_MAX))) {
      throw new TortureFailure('the broker takes no connections any more')
    }
    const seen = await attacks[kind](lane, own)
    // A close of ours is echoed with whatever code it had.
    if (kind !== 'framing' && !CODES.has(lane.closeCode)) {
      throw new TortureFailure(`a close with ${lane.closeCode}`)
    }
    return seen
  } finally {
    lane.destroy()
  }
}

// Until the timetable has room for more, so many of which are booked then: lanes that have waited
// would otherwise all send at once.
async function turn(frames) {
  const isEarly = () => pace.booked > ((performance.now() - pace.since) * pace.perSecond) / 1000
  while (!isOver && isEarly()) await wait(PAUSE_MILLIS)
  pace.booked += frames
}

async function run(index) {
  const own = random.fork(`lane ${index}`)
  while (!isOver) {
    await turn(1)
    const seen = await attackOnce(own)
    done += seen
  }
}

const report = () => parentPort.postMessage({ done, connections })
const timer = setInterval(report, REPORT_MILLIS)
await Promise.all(Array.from({ length: LANES }, (_, index) => run(index)))
clearInterval(timer)
report()
