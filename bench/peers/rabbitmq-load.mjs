// node rabbitmq-load.mjs PORT RECORDS: publishes records of 100 B to a new stream over the stream
// protocol of RabbitMQ, waits for all to be confirmed, counts what is there, and says on standard
// output what publishing took, as JSON. Frames are made before the clock starts.
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { someBytes } from '../micro/some-bytes.mjs'

const recordsPerFrame = 500
const recordBytes = 100
const framesInFlight = 16
const framesMade = 16
const versionOne = 1
const publisherId = 1
const subscriptionId = 1
const chunksOfCredit = 64

const keys = {
  declarePublisher: 0x01,
  publish: 0x02,
  publishConfirm: 0x03,
  publishError: 0x04,
  subscribe: 0x07,
  deliver: 0x08,
  credit: 0x09,
  create: 0x0d,
  delete: 0x0e,
  peerProperties: 0x11,
  saslHandshake: 0x12,
  saslAuthenticate: 0x13,
  tune: 0x14,
  open: 0x15,
}
const isResponse = 0x8000
const codeOk = 1
const offsetFirst = 1

const u8 = (value) => Buffer.from([value])
const u16 = (value) => Buffer.from([value >> 8, value & 0xff])
const u32 = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const string = (text) => Buffer.concat([u16(Buffer.byteLength(text)), Buffer.from(text)])
const noPairs = u32(0)

function frame(key, ...parts) {
  const body = Buffer.concat([u16(key), u16(versionOne), ...parts])
  return Buffer.concat([u32(body.length), body])
}

/** 500 messages of one data section of AMQP 1.0 each; their numbers are not needed. */
function publishFrame(seed) {
  const section = Buffer.from([0x00, 0x53, 0x75, 0xa0, recordBytes])
  const messages = Array.from({ length: recordsPerFrame }, (_, i) => {
    const data = someBytes(recordBytes, seed * recordsPerFrame + i + 1)
    return Buffer.concat([Buffer.alloc(8), u32(section.length + recordBytes), section, data])
  })
  return frame(keys.publish, u8(publisherId), u32(recordsPerFrame), ...messages)
}

/** A connection that takes frames apart and hands them to who waits for their key. */
class Connection {
  #socket
  #left = Buffer.alloc(0)
  #listeners = new Map()
  #correlation = 0
  #reject
  /** Rejects when the connection fails. */
  failed = new Promise((_, reject) => {
    this.#reject = reject
  })

  constructor(port) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (bytes) => this.#take(bytes))
    this.#socket.on('error', (error) => this.#reject(error))
    this.#socket.on('close', () => this.#reject(new Error('RabbitMQ closed the connection')))
    this.failed.catch(() => undefined) // whoever waits is told
  }

  #take(bytes) {
    let left = this.#left.length === 0 ? bytes : Buffer.concat([this.#left, bytes])
    while (left.length >= 4) {
      const end = 4 + left.readUInt32BE(0)
      if (left.length < end) break
      const key = left.readUInt16BE(4)
      this.#listeners.get(key)?.(left.subarray(8, end))
      left = left.subarray(end)
    }
    this.#left = left
  }

  on(key, listener) {
    this.#listeners.set(key, listener)
  }

  write(bytes) {
    this.#socket.write(bytes)
  }

  next(key) {
    return Promise.race([this.failed, new Promise((resolve) => this.on(key, resolve))])
  }

  /** Sends a request, and answers what comes after its code. */
  async ask(name, ...parts) {
    this.#correlation += 1
    const answer = this.next(keys[name] | isResponse)
    this.write(frame(keys[name], u32(this.#correlation), ...parts))
    const body = await answer
    const code = body.readUInt16BE(4)
    if (code !== codeOk) throw new Error(`${name}: RabbitMQ answered ${code}`)
    return body.subarray(6)
  }

  async open() {
    await this.ask('peerProperties', noPairs)
    await this.ask('saslHandshake')
    const tuned = this.next(keys.tune)
    const secret = Buffer.from('\0guest\0guest')
    await this.ask('saslAuthenticate', string('PLAIN'), u32(secret.length), secret)
    const noHeartbeat = u32(0)
    this.write(frame(keys.tune, (await tuned).subarray(0, 4), noHeartbeat))
    await this.ask('open', string('/'))
  }

  close() {
    this.#socket.destroy()
  }
}

/** Publishes so many frames, each as soon as one is confirmed; answers seconds. */
async function publish(connection, frames) {
  const made = Array.from({ length: framesMade }, (_, i) => publishFrame(i))
  let sent = 0
  let confirmed = 0
  const fill = () => {
    while (sent < frames && sent - confirmed / recordsPerFrame < framesInFlight) {
      connection.write(made[sent % made.length])
      sent += 1
    }
  }
  const done = new Promise((resolve, reject) => {
    connection.on(keys.publishConfirm, (body) => {
      confirmed += body.readUInt32BE(1)
      if (confirmed === frames * recordsPerFrame) resolve()
      else fill()
    })
    connection.on(keys.publishError, () => reject(new Error('RabbitMQ refused records')))
  })
  const start = process.hrtime.bigint()
  fill()
  await Promise.race([connection.failed, done])
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** How many records the chunks of a stream have, which says so at its beginning. */
async function countRecords(connection, stream, expected) {
  let count = 0
  const done = new Promise((resolve) => {
    connection.on(keys.deliver, (body) => {
      // After the subscription: magic and version, kind of chunk, entries (16 bits), records.
      count += body.readUInt32BE(1 + 1 + 1 + 2)
      connection.write(frame(keys.credit, u8(subscriptionId), u16(1)))
      if (count >= expected) resolve()
    })
  })
  const from = [u8(subscriptionId), string(stream), u16(offsetFirst)]
  await connection.ask('subscribe', ...from, u16(chunksOfCredit), noPairs)
  await Promise.race([connection.failed, done])
  return count
}

const [port, wanted] = process.argv.slice(2).map(Number)
const frames = Math.ceil(wanted / recordsPerFrame)
const records = frames * recordsPerFrame
const stream = `bench-${randomUUID()}`
const connection = new Connection(port)
await connection.open()
await connection.ask('create', string(stream), noPairs)
await connection.ask('declarePublisher', u8(publisherId), string(''), string(stream))
const seconds = await publish(connection, frames)
const there = await countRecords(connection, stream, records)
if (there !== records) throw new Error(`${there} records are there, not ${records}`)
await connection.ask('delete', string(stream))
connection.close()
process.stdout.write(`${JSON.stringify({ records, seconds, check: `${there} records counted` })}\n`)
