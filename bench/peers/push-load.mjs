// node push-load.mjs PROTOCOL PORT RECORDS SUBSCRIBERS: publishes records of 100 B, one in a message,
// to so many subscribers of Redis (`redis`) or of NATS (`nats`), and says on standard output what it
// took until all had all, as JSON. All messages are of one length, so that what a subscriber gets is
// counted in bytes; of each chunk the places that are known are compared.
import { once } from 'node:events'
import { connect } from 'node:net'
import { payload } from './lib/records.mjs'

const subject = 'bench'
const data = payload(100)
/** Messages that a subscriber may be behind: peers disconnect those that are behind too far. */
const aheadMax = 2000
const messagesPerWrite = 100

const resp = (...words) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`

/** What is sent and what comes; `ready` ends what a subscriber is told before the first message. */
const protocols = {
  redis: {
    subscribe: resp('SUBSCRIBE', subject),
    ready: `${resp('subscribe', subject)}:1\r\n`.replace('*2', '*3'),
    publish: resp('PUBLISH', subject, data),
    message: resp('message', subject, data),
  },
  nats: {
    subscribe: `CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${subject} 1\r\nPING\r\n`,
    ready: 'PONG\r\n',
    publish: `PUB ${subject} 100\r\n${data}\r\n`,
    message: `MSG ${subject} 1 100\r\n${data}\r\n`,
    ping: 'PING\r\n',
    pong: 'PONG\r\n',
    first: 'CONNECT {"verbose":false,"pedantic":false}\r\n',
  },
}

const [name, port, records, subscribers] = process.argv.slice(2)
const protocol = protocols[name]
const wanted = Number(records)
const message = Buffer.from(protocol.message)
const twice = Buffer.concat([message, message])

class Subscriber {
  received = 0
  #bytes = 0

  constructor(socket, wake) {
    this.socket = socket
    this.wake = wake
  }

  /** NATS asks a new connection once whether it is there. */
  #withoutPing(chunk) {
    const at = protocol.ping === undefined ? -1 : chunk.indexOf(protocol.ping)
    if (at < 0) return chunk
    this.socket.write(protocol.pong)
    return Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + protocol.ping.length)])
  }

  take(received) {
    const chunk = this.#withoutPing(received)
    const at = this.#bytes % message.length
    const seen = Math.min(chunk.length, message.length)
    if (twice.compare(chunk, 0, seen, at, at + seen) !== 0) {
      process.stderr.write(
        `a subscriber was sent something else: ${chunk.toString('latin1', 0, 80)}\n`,
      )
      process.exit(1)
    }
    this.#bytes += chunk.length
    this.received = Math.floor(this.#bytes / message.length)
    this.wake()
  }
}

async function open() {
  const socket = connect(Number(port), '127.0.0.1')
  socket.setNoDelay(true)
  await once(socket, 'connect')
  socket.on('error', (error) => {
    throw error
  })
  return socket
}

let wake = () => undefined

async function subscribe() {
  const socket = await open()
  socket.write(protocol.subscribe)
  let said = ''
  while (!said.includes(protocol.ready)) said += (await once(socket, 'data'))[0].toString('latin1')
  const subscriber = new Subscriber(socket, () => wake())
  const more = said.slice(said.indexOf(protocol.ready) + protocol.ready.length)
  subscriber.take(Buffer.from(more, 'latin1'))
  socket.on('data', (chunk) => subscriber.take(chunk))
  return subscriber
}

const all = []
while (all.length < Number(subscribers)) all.push(await subscribe())
const publisher = await open()
publisher.resume()
if (protocol.first !== undefined) publisher.write(protocol.first)
const many = Buffer.from(protocol.publish.repeat(messagesPerWrite))
const one = many.length / messagesPerWrite

const slowest = () => all.reduce((least, it) => Math.min(least, it.received), wanted)
const until = async (isSo) => {
  while (!isSo()) {
    await new Promise((resolve) => {
      wake = resolve
    })
  }
}

const cpuStart = process.cpuUsage()
const start = process.hrtime.bigint()
for (let sent = 0; sent < wanted; ) {
  const count = Math.min(messagesPerWrite, wanted - sent)
  publisher.write(many.subarray(0, count * one))
  sent += count
  await until(() => sent - slowest() <= aheadMax)
}
await until(() => slowest() === wanted)
const seconds = Number(process.hrtime.bigint() - start) / 1e9
const { user, system } = process.cpuUsage(cpuStart)
for (const { socket } of all) socket.destroy()
publisher.destroy()
const total = wanted * all.length
const check = `${total} records received`
const generatorIdleShare = Math.max(0, 1 - (user + system) / 1e6 / seconds)
process.stdout.write(`${JSON.stringify({ records: total, seconds, generatorIdleShare, check })}\n`)
