// Redis Streams: one connection adds to a stream, and each subscriber waits for more on one of its own.
import { Connection, promised } from './connection.mjs'

const stream = 'bench'
const field = 'd'

const command = (...words) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`

/** One line; undefined where its end has not come yet. */
function lineAt(bytes, at) {
  const end = bytes.indexOf('\r\n', at)
  return end < 0 ? undefined : { text: bytes.latin1Slice(at, end), next: end + 2 }
}

/** Answers `{ value, next }`, or undefined where not all of it has come. */
function valueAt(bytes, at) {
  const line = lineAt(bytes, at)
  if (line === undefined) return undefined
  const [kind, rest] = [line.text[0], line.text.slice(1)]
  if (kind === '-') throw new Error(rest)
  if (kind === '$') {
    const end = line.next + Number(rest)
    if (end + 2 > bytes.length) return undefined
    return { value: bytes.latin1Slice(line.next, end), next: end + 2 }
  }
  if (kind !== '*') return { value: rest, next: line.next }
  const value = []
  let next = line.next
  for (let i = 0; i < Number(rest); i += 1) {
    const one = valueAt(bytes, next)
    if (one === undefined) return undefined
    value.push(one.value)
    next = one.next
  }
  return { value, next }
}

/** Calls `take(value)` for each whole answer; answers how many bytes are done with. */
function takeValues(bytes, take) {
  let at = 0
  for (let one = valueAt(bytes, at); one !== undefined; one = valueAt(bytes, at)) {
    at = one.next
    take(one.value)
  }
  return at
}

const readAfter = (id) => command('XREAD', 'COUNT', '10000', 'BLOCK', '0', 'STREAMS', stream, id)

async function subscribe(port, received, data) {
  let connection
  const take = ([[, entries]]) => {
    received.take(entries.length)
    for (const [, [name, value]] of entries) {
      if (name !== field || value !== data) throw new Error('a subscriber was sent something else')
    }
    connection.write(readAfter(entries.at(-1)[0]))
  }
  connection = await Connection.open(port, (bytes) => takeValues(bytes, take))
  connection.write(readAfter('0'))
  return connection
}

export async function connectRedis({ port, data, subscribers }) {
  const deleted = promised()
  let acknowledged = -1 // what removes the stream of an earlier load comes first
  const publisher = await Connection.open(port, (bytes) =>
    takeValues(bytes, () => {
      acknowledged += 1
      deleted.settle()
    }),
  )
  publisher.write(command('DEL', stream))
  await deleted.promise
  const connections = [publisher]
  for (const received of subscribers) connections.push(await subscribe(port, received, data))
  const message = Buffer.from(command('XADD', stream, '*', field, data))
  return {
    publish: () => publisher.write(message),
    acknowledged: () => acknowledged,
    close: () => {
      for (const it of connections) it.close()
    },
  }
}
