// Carries out one case against a broker: a connection of its own, the bytes of the case, and what
// came back, event by event.
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { CUTS } from './bytes-in-pieces.mjs'
import { binary, handshake, ping, request } from './frames.mjs'
import { HEAD_END } from './http-head.mjs'
import { ServerReader } from './server-reader.mjs'

const EVENTS_MILLIS_MAX = 10_000
const SILENCE_MILLIS = 150
const PROBE_ID = 9999
const PROBE = Buffer.from('probe')
const HEALTH = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'

// A first line that comes in pieces is a case of its own: see deviations.mjs.
function behindFirstLine(cut) {
  let isFirst = true
  return (bytes) => {
    const end = isFirst ? bytes.indexOf('\n') + 1 : 0
    isFirst = false
    return [bytes.subarray(0, end), ...cut(bytes.subarray(end))]
  }
}

class Line {
  isOver = false
  #socket
  #reader
  #changed = () => undefined

  constructor(dial, asked) {
    this.#reader = new ServerReader(asked)
    this.#socket = dial()
    this.#socket.on('data', (chunk) => {
      this.#reader.take(chunk)
      this.#changed()
    })
    // The other side has ended, in order or by a reset: to a client of the protocol that is one.
    this.#socket.on('end', () => this.#end())
    this.#socket.on('error', () => this.#end())
    this.#socket.on('close', () => this.#end())
  }

  get events() {
    return this.isOver ? [...this.#reader.events, 'end'] : this.#reader.events
  }

  async write(chunks) {
    for (const chunk of chunks) {
      if (this.isOver || chunk.length === 0) continue
      this.#socket.write(chunk)
      if (chunks.length > 1) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  // Ends this direction alone.
  finish() {
    if (!this.isOver) this.#socket.end()
  }

  // Waits until the events are as they should be, or the end, or too much time went by.
  async until(isDone, millisMax = EVENTS_MILLIS_MAX) {
    const timeout = new AbortController()
    const late = wait(millisMax, true, { signal: timeout.signal }).catch(() => true)
    while (!this.isOver && !isDone(this.events)) {
      const change = new Promise((resolve) => {
        this.#changed = () => resolve(false)
      })
      if (await Promise.race([change, late])) break
    }
    timeout.abort()
  }

  destroy() {
    this.#socket.destroy()
  }

  #end() {
    this.isOver = true
    this.#changed()
  }
}

const HERE = { host: '127.0.0.1', noDelay: true, allowHalfOpen: true }

export const plain = (port) => () => connect({ ...HERE, port })

// `ca`: the certificate of who has signed that of the broker.
export const encrypted = (port, ca) => () => connectTls({ ...HERE, port, ca })

// Answers what was observed, and whether that is what the case expects. `dial` opens a socket to the
// broker, `cut` cuts the bytes.
export async function runCase(dial, it, cut) {
  const line = new Line(dial, headOf(it.raw ?? [handshake()]))
  try {
    const seen = it.raw === undefined ? await open(line) : 0
    const { raw, send, isWhole = false } = it
    const how = isWhole ? CUTS.whole : raw === undefined ? cut : behindFirstLine(cut)
    for (const step of raw ?? send) await carryOut(line, step, how)
    await line.until(({ length }) => length >= seen + it.expect.length)
    await probe(line, it, seen)
    return outcome(it, line.events.slice(seen))
  } finally {
    line.destroy()
  }
}

// The last request of those that come before any frame, which is the handshake if there is one.
function headOf(steps) {
  const sent = Buffer.concat(steps.filter(Buffer.isBuffer)).toString('latin1')
  const heads = sent.split(HEAD_END)
  return Buffer.from(heads.find((it) => /^upgrade:/im.test(it)) ?? heads[0], 'latin1')
}

async function open(line) {
  await line.write([handshake()])
  await line.until(({ length }) => length >= 2)
  if (line.events.join() !== '101,welcome') throw new Error(`no handshake: ${line.events.join()}`)
  return 2
}

// A step is bytes to be sent, milliseconds to wait, an event to wait for, or the end of this side.
async function carryOut(line, step, cut) {
  if (step === 'finish') line.finish()
  else if (typeof step === 'number') await wait(step)
  else if (typeof step === 'string') await line.until((events) => events.includes(step))
  else await line.write(cut(step))
}

// What must not end the connection leaves it of use: a ping is answered, and a request is where
// none is half sent. Whoever has sent a part of a frame cannot ask, and looks for a while.
async function probe(line, { expect, probe: how = 'request' }, seen) {
  if (expect.at(-1) === 'end') return
  if (how === 'silence') {
    await wait(SILENCE_MILLIS)
    return
  }
  const count = seen + expect.length
  const asked = how === 'http' ? [Buffer.from(HEALTH)] : [ping(PROBE)]
  if (how === 'request') asked.push(binary(request(PROBE_ID)))
  await line.write([Buffer.concat(asked)])
  await line.until(({ length }) => length >= count + asked.length)
}

function outcome({ expect, probe: how = 'request' }, events) {
  const after = {
    silence: [],
    http: ['200'],
    ping: [`pong ${PROBE.toString('hex')}`],
    request: [`pong ${PROBE.toString('hex')}`, `answer ${PROBE_ID}`],
  }[how]
  const wanted = expect.at(-1) === 'end' ? expect : [...expect, ...after]
  const isExpected = inOrder(wanted).join('\n') === inOrder(events).join('\n')
  return { isExpected, observed: events.join('; ') }
}

// Pongs and answers have no order among each other, as a request may take its time.
function inOrder(events) {
  const ordered = []
  for (const event of events) {
    const behind = event.startsWith('pong') ? ordered.findLastIndex(isNoAnswer) + 1 : ordered.length
    ordered.splice(behind, 0, event)
  }
  return ordered
}

const isNoAnswer = (event) => !event.startsWith('answer')
