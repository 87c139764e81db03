// A flood, in a thread of its own: `workerData` says which, from which address and for how long. It
// posts how many times it has done what it does, and how it was refused: by status of HTTP, or by
// the code of an answer with whether it may be tried again.
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { decode, encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'
import { binary } from '../rfc6455/frames.mjs'
import { askWithoutReading } from './hostile-crowds.mjs'
import { HOT_SHARDS, putToHotShard } from './hot-shards.mjs'
import { RawLane } from './raw-lane.mjs'
import { isAnswer } from './server-frames.mjs'

const { kind, port, localAddress, millis, perSecond, token } = workerData
const until = performance.now() + millis
const isOver = () => performance.now() >= until
const url = `ws://127.0.0.1:${port}`
let done = 0
const refusals = new Map()

function refused(how) {
  refusals.set(how, (refusals.get(how) ?? 0) + 1)
}

const open = () => connect({ port, host: '127.0.0.1', localAddress })
const handshake = (more = '') =>
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
  `Sec-WebSocket-Protocol: millrace.v1\r\n${more}`

const ended = (socket) =>
  new Promise((resolve) => {
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', resolve)
  })

// Writes at once and answers when the other side has said something, or has ended.
async function once(text) {
  const socket = open()
  const over = ended(socket)
  socket.write(text)
  const data = await Promise.race([over, new Promise((resolve) => socket.once('data', resolve))])
  const status = /^HTTP\S+ (\d+)/.exec(data)?.[1]
  if (status !== undefined && status !== '101') refused(`HTTP ${status}`)
  socket.destroy()
  await over
  done += 1
}

async function lanes(count, run) {
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (!isOver()) await run()
    }),
  )
}

// As many frames as there is room for, again and again, or as are due; what is answered is let go.
async function frames(makeFrame, window, isPaced = false) {
  const began = performance.now()
  const due = () => (isPaced ? ((performance.now() - began) * perSecond) / 1000 : Infinity)
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const socket = new WebSocket(url, ['millrace.v1'], { localAddress, headers })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let sent = 0
  let answered = 0
  await new Promise((resolve) => {
    const fill = () => {
      if (isOver()) {
        socket.terminate()
        return
      }
      for (; sent < Math.min(answered + window, due()); sent += 1) socket.send(makeFrame(sent))
    }
    const timer = setInterval(fill, FILL_MILLIS)
    socket.on('message', (data) => {
      if (isAnswer(data)) {
        answered += 1
        done += 1
        const [, , code, , isRetryable] = decode(data)
        if (code !== null) refused(`${code}${isRetryable ? '' : ' for good'}`)
      }
      fill()
    })
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', () => {
      clearInterval(timer)
      resolve()
    })
    fill()
  })
}

const FILL_MILLIS = 5
const TENANT_WINDOW = 64
const putOfTenant = (id) =>
  encode([0x20, id, 'orders', null, [['k', new Uint8Array(100)]], null, 0, 0])

const BULK = { connections: 8, window: 8, records: 9, bytes: 100_000 }
// More come one by one for as long as they are let in: what else the broker holds is never the same.
const HALF = {
  atOnce: 30,
  bytes: 10_000_000,
  held: 9_800_000,
  openMillis: 5000,
  retryMillis: 300,
}
const UNREAD = { connections: 60, roundMillis: 2000 }

// Keeps most of a long message in the broker, and the rest to itself, until the broker cuts it off.
// Answers the lane once the system has taken all of it; undefined: it was not let in.
async function half(bytes) {
  const lane = new RawLane(port)
  if (await lane.open(HALF.openMillis)) {
    await lane.writeAll(bytes)
    done += 1
    return lane
  }
  lane.destroy()
  return undefined
}

async function holdHalf(bytes) {
  const lane = await half(bytes)
  await lane?.until(isOver, until - performance.now())
  lane?.destroy()
  await wait(HALF.retryMillis)
}

async function holdMore(bytes) {
  while (!isOver()) {
    const lane = await half(bytes)
    void lane?.until(isOver, until - performance.now()).then(() => lane.destroy())
    await wait(HALF.retryMillis)
  }
}

const floods = {
  connect: () => lanes(16, () => once(`${handshake()}\r\n`)),
  token: () => lanes(16, () => once(`${handshake('Authorization: Bearer wrong\r\n')}\r\n`)),
  // A byte of a header each 100 ms, for ever.
  async slowloris() {
    const sockets = Array.from({ length: 200 }, open)
    for (const socket of sockets) {
      void ended(socket)
      socket.write('GET / HTTP/1.1\r\nHost: ')
    }
    while (!isOver()) {
      await wait(100)
      for (const socket of sockets) {
        if (!socket.destroyed) socket.write('a')
        done += 1
      }
    }
    for (const socket of sockets) socket.destroy()
  },
  subscribe: () =>
    frames(
      (id) =>
        encode(
          id % 2 === 0
            ? [0x29, id, 'orders', null, 'LATEST', null, 65_536, []]
            : [0x2a, id, 1 + (id - 1) / 2],
        ),
      1,
    ),
  // One tenant beyond its rate: as far as it gets, and ten times.
  tenant: () => frames(putOfTenant, TENANT_WINDOW),
  tenfold: () => frames(putOfTenant, TENANT_WINDOW, true),
  ...Object.fromEntries(
    Array.from(HOT_SHARDS.keys(), (stream) => [
      stream,
      () => frames((id) => putToHotShard(stream, id), TENANT_WINDOW),
    ]),
  ),
  // Records by the megabyte, of which a shard takes few.
  async bulk() {
    const record = ['k', new Uint8Array(BULK.bytes)]
    const records = new Array(BULK.records).fill(record)
    const put = (id) => encode([0x21, id, 'provisioned', null, records, null, 0, 0])
    await lanes(BULK.connections, () =>
      frames(put, BULK.window).catch(() => wait(HALF.retryMillis)),
    )
  },
  async half() {
    const bytes = binary(Buffer.alloc(HALF.held), { length: HALF.bytes })
    await Promise.all([lanes(HALF.atOnce, () => holdHalf(bytes)), holdMore(bytes)])
  },
  async unread() {
    while (!isOver()) {
      const leave = await askWithoutReading(port, url, 'bulk', UNREAD.connections).catch(() => null)
      done += leave === null ? 0 : UNREAD.connections
      await wait(Math.min(UNREAD.roundMillis, Math.max(0, until - performance.now())))
      leave?.()
    }
  },
}

await floods[kind]()
parentPort.postMessage({ done, refusals })
