// Clients that a broker would rather not have while it stops: each does one thing that could hold it
// up, and goes on with it until it is told to go.
import { connect } from 'node:net'
import { encode } from '@msgpack/msgpack'
import { binary, frame, handshake, OPCODE, request } from '../rfc6455/frames.mjs'
import { SubscriberLane } from './subscriber-lane.mjs'
import { createStream, GET_ITERATOR, GET_RECORDS, PUT_RECORD, WireClient } from './wire-client.mjs'

const READ_LIMIT = 10_000
const UNREAD_REQUESTS = 4
const BULK_RECORDS = 12
const BULK_BYTES = 1_000_000
const FLOOD_REQUESTS = 50

function rawSocket(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined) // it is about to be cut off
  return socket
}

async function opened(port) {
  const socket = rawSocket(port)
  socket.write(handshake())
  await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
  return socket
}

// Fills a stream of one shard with what makes large answers.
export async function makeBulk(client, bulk) {
  await createStream(client, bulk, 1)
  const record = [['k', Buffer.alloc(BULK_BYTES)]]
  for (let left = BULK_RECORDS; left > 0; left--) {
    await client.ask(PUT_RECORD, bulk, null, record, null, 0, 0)
  }
}

// Each comes to a broker and answers how it goes.
export const COMPANY = {
  async 'half a handshake'({ port }) {
    const socket = rawSocket(port)
    socket.write(handshake().subarray(0, 60))
    return () => socket.destroy()
  },

  async 'half a message'({ port }) {
    const socket = await opened(port)
    socket.write(frame(OPCODE.binary, request(1), { fin: false, length: 1_000_000 }))
    return () => socket.destroy()
  },

  async 'one that says nothing'({ port }) {
    const socket = await opened(port)
    return () => socket.destroy()
  },

  // It answers no close, and keeps its side of the connection open.
  async 'one that never closes'({ port }) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    socket.on('error', () => undefined)
    socket.write(handshake())
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
    return () => socket.destroy()
  },

  // More than the kernel takes of the answers to its requests stays in the broker.
  async 'one that does not read'({ port, url, bulk }) {
    const client = await WireClient.connect(url)
    const [iterator] = await client.ask(GET_ITERATOR, bulk, '0', 'TRIM_HORIZON')
    client.close()
    const socket = await opened(port)
    socket.pause()
    for (let id = 1; id <= UNREAD_REQUESTS; id++) {
      socket.write(binary(encode([GET_RECORDS, id, iterator, READ_LIMIT])))
    }
    return () => socket.destroy()
  },

  async 'a subscriber that stalls'({ port, stream }) {
    const lane = new SubscriberLane(port, stream)
    await lane.subscribe()
    lane.stall()
    return () => lane.destroy()
  },

  // Sends without a pause, whatever it is told.
  async 'a flood'({ port }) {
    const socket = await opened(port)
    let isOver = false
    const burst = Buffer.concat(
      Array.from({ length: FLOOD_REQUESTS }, (_, id) => binary(request(id))),
    )
    const flood = () => {
      if (isOver || socket.destroyed) return
      socket.write(burst, () => setTimeout(flood, 5))
    }
    socket.on('data', () => undefined)
    flood()
    return () => {
      isOver = true
      socket.destroy()
    }
  },
}
