// JetStream by the protocol of NATS: one connection publishes into a stream that is kept in files,
// and each subscriber has a push consumer of its own. A replay has one that is told when to go on.
import { Connection, promised } from './connection.mjs'

const stream = 'bench'
const connectLine = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
/** As clients in Go have it: of more than 10,000 that wait, the server refuses the next. */
const inFlightMax = 4000
const lineEnd = Buffer.from('\r\n')

/** Calls `message(sid, body, words)` for each message; answers how many bytes are done with. */
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
      message(words[2], bytes.subarray(next, next + size), words)
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

/** Asks for something; what it is answered, or an error with what that says is wrong. */
async function ask(connection, waiting, subject, request) {
  waiting.answer = promised()
  connection.write(publishOf(`$JS.API.${subject}`, waiting.inbox, JSON.stringify(request)))
  const answer = JSON.parse(await waiting.answer.promise)
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`)
  return answer
}

/** The stream, which is made where it is missing; what is in it. */
async function openStream(connection, waiting) {
  const config = { name: stream, subjects: [stream], storage: 'file', retention: 'limits' }
  return (await ask(connection, waiting, `STREAM.CREATE.${stream}`, config)).state
}

/** Calls `take(body, words)` for what a consumer `from` a place in the stream is sent. */
async function subscribe({ port, name, from, take }) {
  // Consumers of a load before go when they have had nobody for a while; until then they send on.
  const deliver = `deliver.${process.pid}.${name}`
  const waiting = { inbox: `inbox.${name}`, answer: undefined }
  const connection = await open(port, (sid, body, words) => {
    if (sid === '2') waiting.answer.settle(body.toString())
    else take(body, words)
  })
  connection.write(`SUB ${deliver} 1\r\nSUB ${waiting.inbox} 2\r\n`)
  const config = { deliver_subject: deliver, ack_policy: 'none', ...from }
  await ask(connection, waiting, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config })
  return connection
}

/** Fails where a record is not what was published. */
function comparing(data) {
  const expected = Buffer.from(data)
  return (body) => {
    if (!expected.equals(body)) throw new Error('a subscriber was sent something else')
  }
}

export async function connectNats({ port, data, subscribers, isKept }) {
  const waiting = { inbox: 'inbox.stream', answer: undefined }
  let acknowledged = 0
  const publisher = await open(port, (sid, body) => {
    if (sid === '2') waiting.answer.settle(body.toString())
    else {
      acknowledged += 1
      // Each record is kept before it is acknowledged, and numbered in order.
      const { seq } = JSON.parse(body)
      const wanted = last + acknowledged
      if (seq !== wanted) throw new Error(`${seq} was acknowledged, not ${wanted}`)
    }
  })
  publisher.write(`SUB acks 1\r\nSUB ${waiting.inbox} 2\r\n`)
  const { last_seq: last } = await openStream(publisher, waiting)
  const connections = [publisher]
  const from = { deliver_policy: 'by_start_sequence', opt_start_seq: last + 1 }
  const compare = comparing(data)
  for (const [name, received] of subscribers.entries()) {
    const take = (body) => {
      compare(body)
      received.take(1)
    }
    connections.push(await subscribe({ port, name, from, take }))
  }
  const message = Buffer.from(publishOf(stream, 'acks', data))
  return {
    inFlightMax,
    publish: () => publisher.write(message),
    acknowledged: () => acknowledged,
    close: async () => {
      if (!isKept) await ask(publisher, waiting, `STREAM.DELETE.${stream}`, {})
      for (const it of connections) it.close()
    },
  }
}

const heartbeatNanos = 5e9
/** The place of a record in its stream, by the words of its message; more come behind it. */
const numberOf = (words) => Number(words[3].split('.')[5])

/**
 * Reads what is there from the oldest record on, for so many seconds at most.
 *
 * @returns how many records were `there` and how many were `replayed`, each once and in order.
 */
export async function replayNats({ port, data, seconds }) {
  const waiting = { inbox: 'inbox.replay', answer: undefined }
  const asking = await open(port, (_, body) => waiting.answer.settle(body.toString()))
  asking.write(`SUB ${waiting.inbox} 1\r\n`)
  const { messages: there } = await openStream(asking, waiting)
  const compare = comparing(data)
  const done = promised()
  let replayed = 0
  const take = (body, words) => {
    if (body.length === 0) {
      // The server waits for an answer before it sends more; a heartbeat asks for none.
      if (words.length === 5) asking.write(`PUB ${words[3]} 0\r\n\r\n`)
      return
    }
    if (replayed === there) return
    compare(body)
    replayed += 1
    const number = numberOf(words)
    if (number !== replayed) throw new Error(`${number} was replayed, not ${replayed}`)
    if (replayed === there) done.settle()
  }
  const from = { deliver_policy: 'all', flow_control: true, idle_heartbeat: heartbeatNanos }
  const timer = setTimeout(done.settle, seconds * 1000)
  const consumer = there > 0 ? await subscribe({ port, name: 'replay', from, take }) : undefined
  if (there > 0) await done.promise
  clearTimeout(timer)
  consumer?.close()
  asking.close()
  return { there, replayed }
}
