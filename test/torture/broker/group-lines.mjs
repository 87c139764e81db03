// What a worker of a group writes down, one line for each fact, as it may be killed at any moment:
// a line that is not whole has not been written. Shards are indexes, times are in milliseconds of
// the clock that all processes of the machine share.

export const clockMillis = () => Number(process.hrtime.bigint()) / 1e6

// The fields of each kind of line, behind its first word.
const KINDS = {
  // A record that was handled, under which lease.
  handled: { shard: Number, counter: BigInt, sequence: BigInt, key: String, number: Number },
  // Leases that were granted, for how long without a renewal; `next` is nil where the consumer has
  // no checkpoint.
  granted: { shard: Number, counter: BigInt, next: numberOrNil, sent: Number, millis: Number },
  // A checkpoint goes out; one that was accepted comes back. `next` is nil at the end of a shard.
  wants: { shard: Number, counter: BigInt, next: numberOrNil },
  checkpointed: { shard: Number, counter: BigInt, next: numberOrNil, sent: Number },
  // It is over; `text` is empty where that was wanted.
  ended: { text: decodeURIComponent },
}

function numberOrNil(word) {
  return word === 'nil' ? null : BigInt(word)
}

const wordOf = (value) => (value === null || value === undefined ? 'nil' : String(value))

export function writeLine(kind, fields) {
  const words = Object.keys(KINDS[kind]).map((name) =>
    name === 'text' ? encodeURIComponent(fields.text) : wordOf(fields[name]),
  )
  return `${[kind, clockMillis(), ...words].join(' ')}\n`
}

export function readLine(line) {
  const [kind, time, ...words] = line.split(' ')
  const fields = Object.entries(KINDS[kind]).map(([name, read], at) => [name, read(words[at])])
  return { kind, time: Number(time), ...Object.fromEntries(fields) }
}
