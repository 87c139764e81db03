// Many connections at once that want something of a broker without giving it anything to do: crowds
// that are idle, drip, read nothing, or come and go as fast as they can.
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { encode } from '@msgpack/msgpack'
import { TortureFailure } from '../lib/failure.mjs'
import { binary, handshake } from '../rfc6455/frames.mjs'
import { RawLane } from './raw-lane.mjs'
import { GET_ITERATOR, GET_RECORDS, WireClient } from './wire-client.mjs'

const TOGETHER = 50
const OPEN_MILLIS_MAX = 20_000
const RETRY_MILLIS = 100
// A little more than what one takes at connectsPerSecond.
const LET_IN_MILLIS = 3
const DRIP_MILLIS = 1000
const DRIPPED_MESSAGE_BYTES = 1024 * 1024
const UNREAD_REQUESTS = 4
const UNREAD_RECORDS = 10_000
const FLOOD_LANES = 64
// Each address has ports of its own, of which there are fewer than connections.
const ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4']

export const addressOf = (index) => ADDRESSES[index % ADDRESSES.length]

// Opens `count` connections that answer pings if `options` says so.
export async function openLanes(port, count, options = {}) {
  const lanes = []
  const end = performance.now() + OPEN_MILLIS_MAX + count * LET_IN_MILLIS
  while (lanes.length < count) {
    const next = Array.from({ length: Math.min(TOGETHER, count - lanes.length) }, (_, index) => {
      return new RawLane(port, { localAddress: addressOf(index), ...options })
    })
    const open = await Promise.all(next.map((lane) => lane.open(OPEN_MILLIS_MAX)))
    lanes.push(...next.filter((_, index) => open[index]))
    if (!open.includes(false)) continue
    // They come too fast (connectsPerSecond), and come again.
    if (performance.now() > end) throw new TortureFailure('a connection was not let in')
    for (const lane of next.filter((_, index) => !open[index])) lane.destroy()
    await wait(RETRY_MILLIS)
  }
  return lanes
}

// Answers the status of a handshake: 101, or why not.
export async function statusOfNext(port) {
  const socket = connect({ port, host: '127.0.0.1' })
  const answer = new Promise((resolve, reject) => socket.once('data', resolve).on('error', reject))
  socket.write(handshake())
  const line = (await answer).toString('latin1')
  socket.destroy()
  return Number(line.slice('HTTP/1.1 '.length, 'HTTP/1.1 '.length + 3))
}

// All within a second and none at once: who works beside them shares this thread.
async function dripOnce(lanes, byte) {
  const steps = Math.ceil(lanes.length / TOGETHER)
  for (let at = 0; at < lanes.length; at += TOGETHER) {
    if (byte.length > 0) for (const lane of lanes.slice(at, at + TOGETHER)) lane.write(byte)
    await wait(DRIP_MILLIS / steps)
  }
}

// Writes a byte of `bytes` to each lane every second until all are cut off; answers after how many
// seconds the last one was.
async function drip(lanes, bytes, secondsMax) {
  const start = performance.now()
  for (let second = 0; second < secondsMax; second++) {
    if (lanes.every((lane) => lane.isEnded)) return (performance.now() - start) / 1000
    await dripOnce(lanes, bytes.subarray(second, second + 1))
  }
  const left = lanes.filter((lane) => !lane.isEnded).length
  for (const lane of lanes) lane.destroy()
  throw new TortureFailure(`${left} of ${lanes.length} that drip are there after ${secondsMax} s`)
}

// Handshakes of which a byte comes every second.
export async function dripHandshakes(port, count, secondsMax) {
  const lanes = Array.from({ length: count }, (_, index) => {
    return new RawLane(port, { localAddress: addressOf(index) })
  })
  // The first line in one piece: it is refused otherwise.
  for (const lane of lanes) lane.write('GET / HTTP/1.1\r\n')
  return await drip(lanes, handshake().subarray(16), secondsMax)
}

function checkCodes(lanes, wanted) {
  const codes = new Set(lanes.map((lane) => lane.closeCode))
  codes.delete(wanted)
  if (codes.size > 0) throw new TortureFailure(`cut off with ${[...codes].join()}, not ${wanted}`)
}

// Messages of which a byte comes every second, from clients that answer no ping.
export async function dripMessages(port, count, secondsMax) {
  const lanes = await openLanes(port, count)
  for (const lane of lanes) lane.write(binary('', { length: DRIPPED_MESSAGE_BYTES }))
  const seconds = await drip(lanes, Buffer.alloc(secondsMax), secondsMax)
  checkCodes(lanes, 4410)
  return seconds
}

// Clients of processes that stand still: their kernel takes what comes, and nobody answers a ping.
export async function hang(port, count, secondsMax) {
  const lanes = await openLanes(port, count)
  const seconds = await drip(lanes, Buffer.alloc(0), secondsMax)
  checkCodes(lanes, 4410)
  return seconds
}

// Clients that ask for as much as there is and read none of it. Answers how they go.
export async function askWithoutReading(port, url, stream, count) {
  const client = await WireClient.connect(url)
  const [iterator] = await client.ask(GET_ITERATOR, stream, '0', 'TRIM_HORIZON')
  client.close()
  const lanes = await openLanes(port, count)
  for (const lane of lanes) {
    lane.pause()
    for (let id = 1; id <= UNREAD_REQUESTS; id++) {
      lane.write(binary(encode([GET_RECORDS, id, iterator, UNREAD_RECORDS])))
    }
  }
  return () => {
    for (const lane of lanes) lane.reset()
  }
}

// What those say that come and go: handshakes and a message, with or without a token to look at, and
// requests whose answers are made at once, later, or not before their bodies are there.
const SAYINGS = [
  Buffer.concat([handshake(), binary(Buffer.alloc(100))]),
  handshake({ Authorization: 'Bearer nobody' }),
  ...['GET /metrics', 'GET /readyz', 'HEAD /healthz', 'GET /nowhere', 'DELETE /'].map((line) =>
    plainRequest(line),
  ),
  Buffer.concat([plainRequest('POST /', { 'Content-Length': '1000' }), Buffer.alloc(500)]),
  Buffer.concat([plainRequest('GET /readyz'), plainRequest('GET /metrics'), handshake()]),
]

function plainRequest(line, more = {}) {
  const none = { Upgrade: null, Connection: null, 'Sec-WebSocket-Protocol': null }
  const rest = { 'Sec-WebSocket-Key': null, 'Sec-WebSocket-Version': null }
  return handshake({ ...none, ...rest, ...more }, `${line} HTTP/1.1`)
}

// Connections that come and go at full rate, `count` of them, each as far as chance has it: without a
// word, with a part of what it has to say, with all of it; some wait for the beginning of an answer.
export async function flood(port, count, random) {
  let left = count
  const lane = async (_, index) => {
    while (left > 0) {
      left -= 1
      const whole = random.chance(0.5) ? SAYINGS[0] : SAYINGS[random.below(SAYINGS.length)]
      const bytes = random.chance(0.5) ? whole : whole.subarray(0, random.below(whole.length))
      await comeAndGo(port, index, bytes, bytes === whole && random.chance(0.5))
    }
  }
  await Promise.all(Array.from({ length: FLOOD_LANES }, lane))
}

async function comeAndGo(port, index, bytes, isPatient) {
  const socket = connect({ port, host: '127.0.0.1', localAddress: addressOf(index) })
  socket.on('error', () => undefined) // refused or reset: that is what floods get
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  if (bytes.length > 0) socket.write(bytes)
  if (isPatient) await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
  socket.resetAndDestroy()
}
