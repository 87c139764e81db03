// Producers and readers that go on through every loss of the broker, and write down what they were
// told into a History.
import { setTimeout as wait } from 'node:timers/promises'
import {
  ConnectionLost,
  GET_ITERATOR,
  getRecords,
  PUT_RECORD,
  PUT_RECORDS,
  putRecordsPlaces,
  recordsOf,
  WireClient,
} from './wire-client.mjs'

const RETRY_MILLIS = 10
const IDLE_MILLIS = 5
const KEYS = 5
const PADDING_MAX = 300

export const shardIdOf = (shard) => `shardId-${String(shard).padStart(12, '0')}`
export const indexOf = (shardId) => Number(shardId.slice('shardId-'.length))

// The content of a record says whose it is, and its length depends on its number.
function makeData(name, number) {
  return Buffer.from(`${name} ${number} `.padEnd((number * 37) % PADDING_MAX, 'x'))
}

export function textOf(data) {
  const [name, digits] = Buffer.from(data).toString().split(' ')
  if (!makeData(name, Number(digits)).equals(data)) return `damaged: ${name} ${digits}`
  return `${name} ${digits}`
}

// What the load has in common: where the broker is, who wants it to end, and what must not happen.
export class Rig {
  url = ''
  isStopping = false
  // The test has failed: nobody need go on.
  isOver = false
  failures = []
  links = 0

  constructor({ stream, shards, history, random }) {
    Object.assign(this, { stream, shards, history, random })
  }

  // Answers a connection as soon as there is a broker, or null when the test is over.
  async connect() {
    while (!this.isOver) {
      try {
        return await WireClient.connect(this.url)
      } catch {
        await wait(RETRY_MILLIS) // killed, and not up again yet
      }
    }
    return null
  }

  // A lost connection is what this is about; anything else is a failure.
  note(error) {
    if (!(error instanceof ConnectionLost)) this.failures.push(error.message)
  }
}

export class Producer {
  #rig
  #name
  #id
  #window
  #durability
  #random
  #number = 0
  #sequence = 0
  #outstanding = []
  #link = ''
  #pauseMillis

  // `id` is 0n for a producer that is not idempotent; `window` requests are under way at once, and
  // an answer is followed by a new one after `pauseMillis`.
  constructor(rig, name, { id = 0n, window, durability = null, pauseMillis = 0 }) {
    this.#rig = rig
    this.#name = name
    this.#id = id
    this.#window = window
    this.#durability = durability
    this.#pauseMillis = pauseMillis
    this.#random = rig.random.fork(name)
    rig.history.addProducer(name, { idempotent: id !== 0n })
  }

  // Ends when the rig is stopping and everything has been acknowledged.
  async run() {
    while (!this.#isDone()) {
      const client = await this.#rig.connect()
      if (client === null) return
      const link = `${this.#name}-${++this.#rig.links}`
      this.#link = link
      for (const request of this.#outstanding) this.#send(client, link, request)
      this.#fill(client, link)
      await Promise.race([client.closed, this.#finished(client)])
    }
  }

  #isDone() {
    return this.#rig.isOver || (this.#rig.isStopping && this.#outstanding.length === 0)
  }

  async #finished(client) {
    while (!this.#isDone()) await wait(RETRY_MILLIS)
    client.close()
  }

  #fill(client, link) {
    while (!this.#rig.isStopping && this.#outstanding.length < this.#window) {
      const request = this.#makeRequest()
      this.#outstanding.push(request)
      this.#send(client, link, request)
    }
  }

  #makeRequest() {
    const isSingle = this.#random.chance(0.3)
    const count = isSingle ? 1 : this.#random.between(1, 12)
    const records = Array.from({ length: count }, () => {
      const number = ++this.#number
      return { number, key: `${this.#name}-${this.#random.below(KEYS)}` }
    })
    return { isSingle, records, sequence: ++this.#sequence }
  }

  #send(client, link, request) {
    const { isSingle, records, sequence } = request
    for (const { number, key } of records) this.#rig.history.sends(this.#name, number, key)
    const sent = records.map(({ number, key }) => [key, makeData(this.#name, number)])
    const producer = this.#id === 0n ? [0, 0] : [this.#id, sequence]
    const opcode = isSingle ? PUT_RECORD : PUT_RECORDS
    client
      .ask(opcode, this.#rig.stream, this.#durability, sent, null, ...producer)
      .then(async (answer) => {
        const places = isSingle ? [singlePlace(answer)] : putRecordsPlaces(answer)
        records.forEach(({ number }, index) => {
          this.#rig.history.acknowledged(this.#name, number, places[index], link)
        })
        this.#outstanding.splice(this.#outstanding.indexOf(request), 1)
        if (this.#pauseMillis > 0) await wait(this.#pauseMillis)
        // The next connection has filled up by itself.
        if (this.#link === link) this.#fill(client, link)
      })
      .catch((error) => this.#rig.note(error))
  }
}

function singlePlace([, shardId, sequence]) {
  return { shard: indexOf(shardId), sequence: BigInt(sequence) }
}

export class Reader {
  #rig
  #name
  #last

  constructor(rig, name) {
    this.#rig = rig
    this.#name = name
    this.#last = new Array(rig.shards).fill(0n)
  }

  // Reads every shard, from where it was, until `isDone` and nothing is left.
  async run(isDone) {
    for (;;) {
      const client = await this.#rig.connect()
      if (client === null) return
      try {
        if (await this.#readUntil(client, isDone)) return
      } catch (error) {
        if (this.#rig.isOver) return
        this.#rig.note(error)
      } finally {
        client.close()
      }
    }
  }

  async #readUntil(client, isDone) {
    const iterators = await Promise.all(this.#last.map((_, shard) => this.#iterator(client, shard)))
    for (;;) {
      const wasDone = isDone()
      let found = 0
      for (const [shard, iterator] of iterators.entries()) {
        const answer = await getRecords(client, iterator, 1000)
        iterators[shard] = answer[0]
        for (const { sequence, data } of recordsOf(answer)) {
          this.#rig.history.saw(this.#name, shard, sequence, textOf(data))
          this.#last[shard] = sequence
          found += 1
        }
      }
      if (found === 0 && wasDone) return true
      if (found === 0) await wait(IDLE_MILLIS)
    }
  }

  async #iterator(client, shard) {
    const last = this.#last[shard]
    const from = last === 0n ? ['TRIM_HORIZON'] : ['AFTER_SEQUENCE_NUMBER', last]
    const [iterator] = await client.ask(GET_ITERATOR, this.#rig.stream, shardIdOf(shard), ...from)
    return iterator
  }
}

// Everything that is there: shard -> [{ sequence, key, text }].
export async function readAll(rig) {
  const client = await rig.connect()
  const full = new Map()
  for (let shard = 0; shard < rig.shards; shard++) {
    const records = []
    full.set(shard, records)
    let [iterator] = await client.ask(GET_ITERATOR, rig.stream, shardIdOf(shard), 'TRIM_HORIZON')
    // A closed shard ends without one.
    for (let count = 1; count > 0 && iterator !== null; ) {
      const answer = await getRecords(client, iterator)
      iterator = answer[0]
      const found = recordsOf(answer)
      count = found.length
      for (const { sequence, key, data } of found) {
        records.push({ sequence, key, text: textOf(data) })
      }
    }
  }
  client.close()
  return full
}
