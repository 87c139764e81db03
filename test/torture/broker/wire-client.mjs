// A client of the protocol for tests of the broker: it knows nothing of the client that is shipped,
// so that a mistake of that one cannot hide one of the broker.
import { setTimeout as wait } from 'node:timers/promises'
import { decode, decodeMulti, encode } from '@msgpack/msgpack'
import { WebSocket } from 'ws'

export const CREATE_STREAM = 0x10
export const DESCRIBE_SUMMARY = 0x13
export const LIST_SHARDS = 0x15
export const SPLIT_SHARD = 0x1a
export const MERGE_SHARDS = 0x1b
export const UPDATE_SHARD_COUNT = 0x1c
export const PUT_RECORD = 0x20
export const PUT_RECORDS = 0x21
export const GET_ITERATOR = 0x22
export const GET_RECORDS = 0x23
export const SUBSCRIBE_TO_STREAM = 0x29
export const REGISTER_CONSUMER = 0x30
export const GET_CHECKPOINTS = 0x34
export const LIST_LEASES = 0x39
export const CREDIT = 0x50

const OPTIONS = { useBigInt64: true }
const PUSHES = { first: 0x41, last: 0x4f }
const SLICE_MARKER = 0x9bce

// Nobody knows what became of the request.
export class ConnectionLost extends Error {}

export class WireClient {
  #socket
  #nextId = 1
  #waiting = new Map()
  // Told of what comes unasked: slices, and other pushes by their opcode and fields.
  onSlice = () => undefined
  onPush = () => undefined

  // Answers a client, or throws when there is no broker.
  // `options` are those of a socket of `ws`, and `subprotocols`.
  static async connect(url, options) {
    const client = new WireClient(url, options)
    await client.opened
    return client
  }

  constructor(url, { subprotocols = ['millrace.v1'], ...options } = {}) {
    const socket = new WebSocket(url, subprotocols, { perMessageDeflate: false, ...options })
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

  // A message that is not answered.
  tell(opcode, ...fields) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(encode([opcode, ...fields], OPTIONS))
    }
  }

  close() {
    this.#socket.terminate()
  }

  #take(data) {
    if (data.length > 2 && data.readUInt16BE(0) === SLICE_MARKER) {
      this.onSlice(data)
      return
    }
    const [opcode, id, status, ...fields] = decode(data, OPTIONS)
    if (opcode >= PUSHES.first && opcode <= PUSHES.last) {
      this.onPush(opcode, [id, status, ...fields])
      return
    }
    const waiter = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (status === null) waiter?.resolve(fields)
    else {
      const [message, , retryAfterMs] = fields
      const details = { code: status, retryAfterMs: Number(retryAfterMs ?? 0) }
      waiter?.reject(Object.assign(new Error(`${status}: ${message}`), details))
    }
  }
}

// Reads, as soon as the limits of the shard allow it.
export async function getRecords(client, iterator, limit = null) {
  for (;;) {
    try {
      return await client.ask(GET_RECORDS, iterator, limit)
    } catch (error) {
      if (error.code !== 'THROUGHPUT_EXCEEDED') throw error
      await wait(error.retryAfterMs)
    }
  }
}

// Creates a stream and waits until it takes records; one that is there already will do.
export async function createStream(client, name, shardCount, mode = null) {
  const ignore = (code) => (error) => {
    if (error.code !== code) throw error
    return []
  }
  await client.ask(CREATE_STREAM, name, shardCount, mode).catch(ignore('STREAM_EXISTS'))
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

// The records of a slice, each with the number of its shard.
export function* recordsOfSlice(slice) {
  for (const [, shard, sequence, batchCount, , , , , , , bytes] of decodeMulti(slice, OPTIONS)) {
    let at = BigInt(sequence)
    // What a batch without records has in their place is padding.
    for (const [key, data] of batchCount === 0 ? [] : decodeMulti(bytes, OPTIONS)) {
      yield { shard: BigInt(shard), sequence: at, key, data }
      at += 1n
    }
    if (at !== BigInt(sequence) + BigInt(batchCount)) throw new Error('a batch that miscounts')
  }
}

// The records of a GetRecords answer. Its slice is whole batches, of which only a part may have been
// asked for.
export function recordsOf([, , , first, count, slice]) {
  const start = BigInt(first)
  const end = start + BigInt(count)
  const records = []
  for (const { sequence, key, data } of recordsOfSlice(slice)) {
    if (sequence >= start && sequence < end) records.push({ sequence, key, data })
  }
  if (BigInt(records.length) !== end - start) throw new Error('a slice without what it promises')
  return records
}
