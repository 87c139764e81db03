// A flood, in a thread of its own: `workerData` says which, from which address and for how long. It
// posts how many times it has done what it does.
import { connect } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'

const { kind, port, localAddress, millis, token } = workerData
const until = performance.now() + millis
const isOver = () => performance.now() >= until
const url = `ws://127.0.0.1:${port}`
let done = 0

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
  await Promise.race([over, new Promise((resolve) => socket.once('data', resolve))])
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

// As many frames as there is room for, again and again; what is answered is let go.
async function frames(makeFrame, window) {
  const socket = new WebSocket(url, ['millrace.v1'], {
    localAddress,
    headers: { authorization: `Bearer ${token}` },
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  let sent = 0
  await new Promise((resolve) => {
    const fill = () => {
      if (isOver()) {
        socket.terminate()
        return
      }
      for (; sent - done < window; sent += 1) socket.send(makeFrame(sent))
    }
    socket.on('message', (data) => {
      // Heartbeats and the like are no answers.
      if (data[1] >= 0x10 && data[1] < 0x40) done += 1
      fill()
    })
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', resolve)
    fill()
  })
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
      await new Promise((resolve) => setTimeout(resolve, 100))
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
  // One tenant far beyond its rate.
  tenant: () =>
    frames(
      (id) => encode([0x20, id, 'orders', null, [['k', new Uint8Array(100)]], null, 0, 0]),
      64,
    ),
}

await floods[kind]()
parentPort.postMessage(done)
