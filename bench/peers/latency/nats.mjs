// JetStream by the protocol of NATS: one connection publishes into a stream that is kept in files,
// and each subscriber has a push consumer of its own.
import { Connection, promised } from './connection.mjs'

const stream = 'bench'
const connectLine = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
const lineEnd = Buffer.from('\r\n')

/** Calls `message(sid, body)` for each message; answers how many bytes are done with. */
function takeMessages(bytes, { connection, message }) {
  let at = 0
  for (;;) {
    const end = bytes.indexOf(lineEnd, at)
    if (end < 0) return at
    const words = bytes.latin1Slice(at, end).split(' ')
    let next = end + lineEnd.length
    if (words[0] === 'MSG') {
      const size = Number(words.at(-1))
      if (next + size + lineEnd.length > bytes.length) return at
      message(words[2], bytes.subarray(next, next + size))
      next += size + lineEnd.length
    } else if (words[0] === 'PING') {
      connection().write('PONG\r\n')
    } else if (words[0] === '-ERR') {
      throw new Error(words.join(' '))
    }
    at = next
  }
}

async function open(port, message) {
  let connection
  const about = { connection: () => connection, message }
  connection = await Connection.open(port, (bytes) => takeMessages(bytes, about))
  connection.write(connectLine)
  return connection
}

const publishOf = (subject, reply, body) =>
  `PUB ${subject} ${reply} ${Buffer.byteLength(body)}\r\n${body}\r\n`

/** Asks for something, and fails with what the answer says is wrong. */
async function ask(connection, waiting, subject, request) {
  waiting.answer = promised()
  connection.write(publishOf(`$JS.API.${subject}`, waiting.inbox, JSON.stringify(request)))
  const answer = JSON.parse(await waiting.answer.promise)
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`)
}

async function subscribe(port, received, number, data) {
  const deliver = `deliver.${number}`
  const waiting = { inbox: `inbox.${number}`, answer: undefined }
  const expected = Buffer.from(data)
  const connection = await open(port, (sid, body) => {
    if (sid === '2') waiting.answer.settle(body.toString())
    else if (expected.equals(body)) received.take(1)
    else throw new Error('a subscriber was sent something else')
  })
  connection.write(`SUB ${deliver} 1\r\nSUB ${waiting.inbox} 2\r\n`)
  const config = { deliver_subject: deliver, deliver_policy: 'all', ack_policy: 'none' }
  await ask(connection, waiting, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config })
  return connection
}

export async function connectNats({ port, data, subscribers }) {
  const waiting = { inbox: 'inbox.stream', answer: undefined }
  let acknowledged = 0
  const publisher = await open(port, (sid, body) => {
    if (sid === '2') waiting.answer.settle(body.toString())
    else {
      acknowledged += 1
      // Each record is kept before it is acknowledged, and numbered in order.
      const { seq } = JSON.parse(body)
      if (seq !== acknowledged) throw new Error(`${seq} was acknowledged, not ${acknowledged}`)
    }
  })
  publisher.write(`SUB acks 1\r\nSUB ${waiting.inbox} 2\r\n`)
  const config = { name: stream, subjects: [stream], storage: 'file', retention: 'limits' }
  await ask(publisher, waiting, `STREAM.CREATE.${stream}`, config)
  const connections = [publisher]
  for (const [number, received] of subscribers.entries()) {
    connections.push(await subscribe(port, received, number, data))
  }
  const message = Buffer.from(publishOf(stream, 'acks', data))
  return {
    publish: () => publisher.write(message),
    acknowledged: () => acknowledged,
    close: async () => {
      await ask(publisher, waiting, `STREAM.DELETE.${stream}`, {})
      for (const it of connections) it.close()
    },
  }
}
