// Readers of a whole stream, through splits and merges: one that asks for records, and one to which
// they are pushed. Both go on where they were with the next broker.
import { setTimeout as wait } from 'node:timers/promises'
import { TortureFailure } from '../lib/failure.mjs'
import { indexOf, shardIdOf, textOf } from './load.mjs'
import {
  CREDIT,
  GET_ITERATOR,
  getRecords,
  LIST_SHARDS,
  recordsOf,
  recordsOfSlice,
  SUBSCRIBE_TO_STREAM,
} from './wire-client.mjs'

const IDLE_MILLIS = 20
const CREDIT_BYTES = 128 * 1024
const PUSH = { shardStarted: 0x41, gap: 0x43, shardEnded: 0x44, subscriptionEnded: 0x45 }

// All shards of a stream, by index, or those that a filter lets pass, or those behind one of them.
export async function listShards(client, stream, filter = null, behind = null) {
  const shards = []
  let token = null
  do {
    const place = token === null ? [stream, null] : [null, token]
    const shardFilter = token === null && filter !== null ? [filter] : null
    const start = token === null && behind !== null ? shardIdOf(behind) : null
    const fields = [...place, start, null, null, shardFilter]
    const [page, next] = await client.ask(LIST_SHARDS, ...fields)
    shards.push(...page.map(describe))
    token = next
  } while (token !== null)
  return shards
}

function describe([shardId, parent, adjacent, starting, ending, first, end]) {
  return {
    index: indexOf(shardId),
    parents: [parent, adjacent].filter((id) => id !== null).map(indexOf),
    start: BigInt(`0x${Buffer.from(starting).toString('hex')}`),
    end: BigInt(`0x${Buffer.from(ending).toString('hex')}`),
    first: BigInt(first),
    isOpen: end === null,
  }
}

export class StreamReader {
  #rig
  #name
  // By shard: the last number that was read, 0n before the first, null at the end of a closed one.
  #last = new Map()
  // Behind everything that was there, in all shards that it knows and their children.
  isIdle = false

  constructor(rig, name) {
    this.#rig = rig
    this.#name = name
  }

  // Reads until `isDone` and nothing is left.
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
    if (this.#last.size === 0) {
      for (const { index, parents } of await listShards(client, this.#rig.stream)) {
        if (parents.length === 0) this.#last.set(index, 0n)
      }
    }
    const iterators = new Map()
    for (;;) {
      const wasDone = isDone()
      let found = 0
      for (const [shard, last] of [...this.#last]) {
        if (last === null) continue
        const iterator = iterators.get(shard) ?? (await this.#iterator(client, shard, last))
        const answer = await getRecords(client, iterator, 1000)
        for (const { sequence, data } of recordsOf(answer)) {
          this.#rig.history.saw(this.#name, shard, sequence, textOf(data))
          this.#last.set(shard, sequence)
          found += 1
        }
        iterators.set(shard, answer[0])
        if (answer[0] === null) found += this.#descend(shard, answer[2])
      }
      if (found === 0 && wasDone) return true
      if (found === 0) await wait(IDLE_MILLIS)
    }
  }

  // Answers how many children can be read now: those all of whose parents were read.
  #descend(shard, children) {
    if (children.length === 0) throw new TortureFailure(`shard ${shard} ends without children`)
    this.#last.set(shard, null)
    const ready = children.filter(([, parents]) =>
      parents.every((parent) => this.#last.get(indexOf(parent)) === null),
    )
    for (const [shardId] of ready) this.#last.set(indexOf(shardId), 0n)
    return ready.length
  }

  async #iterator(client, shard, last) {
    const from = last === 0n ? ['TRIM_HORIZON'] : ['AFTER_SEQUENCE_NUMBER', last]
    const [iterator] = await client.ask(GET_ITERATOR, this.#rig.stream, shardIdOf(shard), ...from)
    return iterator
  }
}

export class StreamSubscriber {
  #rig
  #name
  // By the number of the shard: its index, what comes next, and at its end the children.
  #places = new Map()
  #begun = new Set()
  // Records so far.
  count = 0

  constructor(rig, name) {
    this.#rig = rig
    this.#name = name
  }

  // Takes what comes, until `isDone`.
  async run(isDone) {
    while (!isDone()) {
      const client = await this.#rig.connect()
      if (client === null) return
      try {
        await this.#subscribe(client)
        while (!isDone() && !this.#rig.isOver) {
          const ended = await Promise.race([client.closed.then(() => true), wait(IDLE_MILLIS)])
          if (ended === true) break
        }
      } catch (error) {
        this.#rig.note(error)
      } finally {
        client.close()
      }
    }
  }

  async #subscribe(client) {
    let id
    // What comes with the answer is taken up behind it.
    const early = []
    client.onSlice = (slice) => early.push(() => this.#slice(client, id, slice))
    client.onPush = (opcode, fields) => early.push(() => this.#push(opcode, fields))
    const request = [this.#rig.stream, null, 'TRIM_HORIZON', null, CREDIT_BYTES, this.#resume()]
    const [subscriptionId, shards] = await client.ask(SUBSCRIBE_TO_STREAM, ...request)
    id = subscriptionId
    for (const it of shards) this.#begin(it)
    client.onSlice = (slice) => this.#guard(() => this.#slice(client, id, slice))
    client.onPush = (opcode, fields) => this.#guard(() => this.#push(opcode, fields))
    for (const run of early) this.#guard(run)
  }

  #guard(run) {
    try {
      run()
    } catch (error) {
      this.#rig.note(error)
    }
  }

  // Where it is: without the shards all of whose children have begun, for what comes before them has
  // been sent.
  #resume() {
    const isOver = ({ children }) => children?.every((it) => this.#begun.has(it)) === true
    for (const [number, place] of this.#places) if (isOver(place)) this.#places.delete(number)
    return Array.from(this.#places, ([number, { next, children }]) => [
      number,
      children === undefined ? next : null,
    ])
  }

  #begin([shardId, number, first]) {
    const index = indexOf(shardId)
    const known = this.#places.get(BigInt(number))
    if (known !== undefined && known.next !== BigInt(first)) {
      throw new TortureFailure(`${this.#name}: ${index} goes on at ${first}, not ${known.next}`)
    }
    this.#begun.add(index)
    this.#places.set(BigInt(number), { index, next: BigInt(first) })
  }

  #push(opcode, fields) {
    if (opcode === PUSH.shardStarted) this.#begin(fields[1])
    else if (opcode === PUSH.shardEnded) {
      this.#places.get(BigInt(fields[1])).children = fields[2].map(([shardId]) => indexOf(shardId))
    } else if (opcode === PUSH.gap) throw new TortureFailure(`${this.#name}: a gap: ${fields}`)
    else if (opcode === PUSH.subscriptionEnded && fields[1] !== 'SERVER_CLOSING') {
      throw new TortureFailure(`${this.#name} was ended: ${fields}`)
    }
  }

  #slice(client, id, slice) {
    for (const { shard, sequence, data } of recordsOfSlice(slice)) {
      const place = this.#places.get(shard)
      // The first slice may begin with what was not asked for.
      if (sequence < place.next) continue
      this.#rig.history.saw(this.#name, place.index, sequence, textOf(data))
      place.next = sequence + 1n
      this.count += 1
    }
    client.tell(CREDIT, id, slice.length)
  }
}
