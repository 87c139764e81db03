// What producers were told and readers have seen, and whether it can be the work of a broker that
// keeps its word. Records are named by their producer and a number that it counts up; a place is a
// shard and a sequence number.

const MESSAGES_MAX = 20

export class History {
  #producers = new Map()
  #readers = new Map()
  #records = 0

  // `idempotent`: sends again what was not answered, under the same producer sequence.
  addProducer(name, { idempotent }) {
    this.#producers.set(name, { idempotent, sent: new Map(), answered: new Map(), resent: 0 })
  }

  // Record `number` goes out; for a plain producer a second time is a new attempt.
  sends(name, number, key) {
    const { sent, ...producer } = this.#producers.get(name)
    if (sent.has(number)) this.#producers.get(name).resent += 1
    else sent.set(number, key)
    return producer.idempotent
  }

  // It is acknowledged at this place. `link` names the connection, on which order is promised.
  acknowledged(name, number, { shard, sequence }, link) {
    const { answered } = this.#producers.get(name)
    const places = answered.get(number) ?? []
    places.push({ shard, sequence, link })
    answered.set(number, places)
  }

  get acknowledgedCount() {
    return sum(this.#producers.values(), ({ answered }) => answered.size)
  }

  // A reader saw a record, in the order of its reads. `text` is the content: `producer number`.
  saw(reader, shard, sequence, text) {
    const shards = this.#readers.get(reader) ?? new Map()
    this.#readers.set(reader, shards)
    const seen = shards.get(shard) ?? []
    // In the order of their first records.
    shards.set(shard, seen)
    this.#records += 1
    seen.push({ sequence, text, order: this.#records })
  }

  // Compares everything with a full read, shard -> [{ sequence, key, text }]. `family` says of each
  // shard where its numbers begin and which its parents are, where that is not 1 and none. Answers
  // what is wrong, in words, and some figures.
  judge(full, family = new Map()) {
    const wrong = []
    const say = (text) => wrong.length < MESSAGES_MAX && wrong.push(text)
    const firstOf = (shard) => family.get(shard)?.first ?? 1n
    const index = indexOf(full, firstOf, say)
    for (const [name, producer] of this.#producers) judgeProducer(name, producer, full, index, say)
    for (const [name, shards] of this.#readers) {
      judgeReader(name, shards, index, firstOf, say)
      judgeDescent(name, shards, full, family, say)
    }
    judgePhantoms(index, this.#producers, say)
    const duplicates = sum(index.byText.values(), (places) => places.length - 1)
    return { wrong, duplicates, records: index.byPlace.size }
  }
}

const placeName = (shard, sequence) => `${shard}:${sequence}`

// The full read by place and by content; numbers must have no gap.
function indexOf(full, firstOf, say) {
  const byPlace = new Map()
  const byText = new Map()
  for (const [shard, records] of full) {
    let expected = firstOf(shard)
    for (const { sequence, key, text } of records) {
      if (sequence !== expected) say(`shard ${shard}: ${sequence} follows ${expected - 1n}`)
      expected = sequence + 1n
      byPlace.set(placeName(shard, sequence), { key, text })
      const places = byText.get(text) ?? []
      places.push({ shard, sequence })
      byText.set(text, places)
    }
  }
  return { byPlace, byText }
}

function judgeProducer(name, producer, full, { byPlace, byText }, say) {
  const { idempotent, sent, answered, resent } = producer
  for (const [number, places] of answered) {
    const text = `${name} ${number}`
    for (const { shard, sequence } of places) {
      const found = byPlace.get(placeName(shard, sequence))
      if (found === undefined) say(`lost: ${text}, acknowledged at ${shard}:${sequence}`)
      else if (found.text !== text) {
        say(`lost: ${text}, acknowledged at ${shard}:${sequence}, where ${found.text} is`)
      } else if (found.key !== sent.get(number)) say(`the key of ${text} has changed`)
    }
  }
  let duplicates = 0
  for (const number of sent.keys()) {
    const copies = byText.get(`${name} ${number}`)?.length ?? 0
    duplicates += Math.max(0, copies - 1)
  }
  if (idempotent && duplicates > 0) say(`${duplicates} duplicates of the idempotent ${name}`)
  if (duplicates > resent) say(`${duplicates} duplicates of ${name}, which repeated ${resent}`)
  if (idempotent) judgeKeyOrder(name, full, say)
  judgeLinkOrder(name, answered, say)
}

// Records of one key of an idempotent producer lie in the order in which they were first sent, also
// where they go on in a child, which comes behind its parents.
function judgeKeyOrder(name, full, say) {
  const last = new Map()
  for (const [shard, records] of full) {
    for (const { key, text } of records) {
      const [producer, digits] = text.split(' ')
      if (producer !== name) continue
      const number = Number(digits)
      if (number <= (last.get(key) ?? -1)) say(`shard ${shard}: ${text} behind ${last.get(key)}`)
      last.set(key, number)
    }
  }
}

// What one connection sent in order has ascending sequence numbers in each shard.
function judgeLinkOrder(name, answered, say) {
  const last = new Map()
  for (const [number, places] of [...answered].sort(([left], [right]) => left - right)) {
    for (const { shard, sequence, link } of places) {
      const lane = `${link}/${shard}`
      if (sequence <= (last.get(lane) ?? 0n)) say(`${name} ${number}: numbers fall in ${shard}`)
      last.set(lane, sequence)
    }
  }
}

// A reader sees every number once, in order, with the content that everybody sees.
function judgeReader(name, shards, { byPlace }, firstOf, say) {
  for (const [shard, seen] of shards) {
    let expected = firstOf(shard)
    for (const { sequence, text } of seen) {
      if (sequence !== expected) say(`${name}, shard ${shard}: ${sequence} after ${expected - 1n}`)
      expected = sequence + 1n
      const found = byPlace.get(placeName(shard, sequence))
      if (found === undefined) say(`${name} saw ${text} at ${shard}:${sequence}, which is gone`)
      else if (found.text !== text) {
        say(`two contents at ${shard}:${sequence}: ${name} saw ${text}, then it is ${found.text}`)
      }
    }
  }
}

// A reader has read all of the parents before it reads of a child.
function judgeDescent(name, shards, full, family, say) {
  for (const [shard, [first]] of shards) {
    for (const parent of family.get(shard)?.parents ?? []) {
      const before = (shards.get(parent) ?? []).filter(({ order }) => order < first.order).length
      const all = full.get(parent).length
      if (before !== all) say(`${name} began ${shard} behind ${before} of ${all} of ${parent}`)
    }
  }
}

function judgePhantoms({ byText }, producers, say) {
  for (const text of byText.keys()) {
    const [name, number] = text.split(' ')
    if (!producers.get(name)?.sent.has(Number(number))) say(`${text} was never sent`)
  }
}

function sum(values, of) {
  let total = 0
  for (const value of values) total += of(value)
  return total
}
