// A client of the protocol for tests of the broker: it knows nothing of the client that is shipped,
// so that a mistake of that one cannot hide one of the broker.
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'

export const CREATE_STREAM = 0x10
export const DESCRIBE_SUMMARY = 0x13
export const PUT_RECORD = 0x20
export const PUT_RECORDS = 0x21
export const GET_ITERATOR = 0x22
export const GET_RECORDS = 0x23

const OPTIONS = { useBigInt64: true }

// Nobody knows what became of the request.
export class ConnectionLost extends Error {}

export class WireClient {
  #socket
  #nextId = 1
  #waiting = new Map()

  // Answers a client, or throws when there is no broker.
  static async connect(url) {
    const client = new WireClient(url)
    await client.opened
    return client
  }

  constructor(url) {
    const socket = new WebSocket(url, ['millrace.v1'], { perMessageDeflate: false })
    this.#socket = socket
    this.closed = new Promise((resolve) => {
      socket.on('close', (code) => {
        const lost = new ConnectionLost(`the connection was lost (${code})`)
        for (const { reject } of this.#waiting.values()) reject(lost)
        this.#waiting.clear()
        resolve(code)
      })
    })
    this.opened = new Promise((resolve, reject) => {
      socket.once('message', resolve)
      socket.once('error', reject)
      this.closed.then((code) => reject(new Error(`closed (${code})`)))
    })
    socket.on('error', () => undefined) // `closed` follows, and tells
    this.opened.then(
      () => socket.on('message', (data) => this.#take(data)),
      () => undefined, // `connect` tells
    )
  }

  // Answers the fields behind the status. Throws when the request is refused (`error.code`), or the
  // connection is lost (ConnectionLost).
  ask(opcode, ...fields) {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      if (this.#socket.readyState !== WebSocket.OPEN) {
        this.#waiting.delete(id)
        reject(new ConnectionLost('the connection is lost'))
        return
      }
      this.#socket.send(encode([opcode, id, ...fields], OPTIONS))
    })
  }

  close() {
    this.#socket.terminate()
  }

  #take(data) {
    const [, id, status, ...fields] = decode(data, OPTIONS)
    const waiter = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (status === null) waiter?.resolve(fields)
    else waiter?.reject(Object.assign(new Error(`${status}: ${fields[0]}`), { code: status }))
  }
}

// Creates a stream and waits until it takes records; one that is there already will do.
export async function createStream(client, name, shardCount) {
  const ignore = (code) => (error) => {
    if (error.code !== code) throw error
    return []
  }
  await client.ask(CREATE_STREAM, name, shardCount).catch(ignore('STREAM_EXISTS'))
  for (let status = ''; status !== 'ACTIVE'; ) {
    // Not found is one that somebody else has deleted meanwhile.
    const answer = await client.ask(DESCRIBE_SUMMARY, name).catch(ignore('STREAM_NOT_FOUND'))
    if (answer.length === 0) return
    status = answer[1]
  }
}

// Where each record of a PutRecords answer went, in the order of the request.
export function putRecordsPlaces([, shardIndexes, [shards, ordinals, failed]]) {
  if (failed !== 0) {
    const code = shards.find((it) => it[3] !== null)?.[3]
    throw Object.assign(new Error(`${failed} records were refused: ${code}`), { code })
  }
  const next = shards.map(([, first]) => BigInt(first))
  return Array.from(ordinals, (ordinal) => {
    const sequence = next[ordinal]
    next[ordinal] += 1n
    return { shard: shardIndexes[ordinal], sequence }
  })
}

// The records of a GetRecords answer. Its slice is whole batches, of which only a part may have been
// asked for.
export function recordsOf([, , , first, count, slice]) {
  const start = BigInt(first)
  const end = start + BigInt(count)
  const records = []
  for (const [, , sequence, batchCount, , , , , , , bytes] of decodeMulti(slice, OPTIONS)) {
    let at = BigInt(sequence)
    for (const [key, data] of decodeMulti(bytes, OPTIONS)) {
      if (at >= start && at < end) records.push({ sequence: at, key, data })
      at += 1n
    }
    if (at !== BigInt(sequence) + BigInt(batchCount)) throw new Error('a batch that miscounts')
  }
  if (BigInt(records.length) !== end - start) throw new Error('a slice without what it promises')
  return records
}
