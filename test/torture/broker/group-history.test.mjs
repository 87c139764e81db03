// Histories of groups with a broken promise each, and a good one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tooLittle } from './group-activity.mjs'
import { GroupHistory } from './group-history.mjs'
import { readLine, writeLine } from './group-lines.mjs'

const HELD_MILLIS = 2000
const bounds = { idleMillisMax: 2600, lateMillisMax: 500 }
const family = new Map([
  [0, { parents: [], first: 1n }],
  [1, { parents: [0], first: 4n }],
])

// One key: three records in shard 0, and two in its child 1. `a` works on 0, sets a checkpoint and
// dies; `b` goes on there, finishes it and begins 1. A test changes the facts.
function story() {
  return {
    places: [at(0, 1n), at(0, 2n), at(0, 3n), at(1, 4n), at(1, 5n)],
    handled: [
      handled('a', 1n, 0, 1n, 1, 110),
      handled('a', 1n, 0, 2n, 2, 120),
      handled('b', 2n, 0, 2n, 2, 2310),
      handled('b', 2n, 0, 3n, 3, 2320),
      handled('b', 3n, 1, 4n, 4, 2350),
      handled('b', 3n, 1, 5n, 5, 2360),
    ],
    granted: [
      { worker: 'a', shard: 0, counter: 1n, next: null, sent: 90, time: 100 },
      { worker: 'b', shard: 0, counter: 2n, next: 2n, sent: 2290, time: 2300 },
      { worker: 'b', shard: 1, counter: 3n, next: null, sent: 2340, time: 2345 },
    ],
    checkpoints: [
      { worker: 'a', shard: 0, counter: 1n, next: 2n, sent: 115, time: 118 },
      { worker: 'b', shard: 0, counter: 2n, next: null, sent: 2325, time: 2330 },
      { worker: 'b', shard: 1, counter: 3n, next: 6n, sent: 2370, time: 2380 },
    ],
    spans: [
      { from: 150, to: 2300, available: [0], lease: lease(0, 'a', 1n, 100) },
      { from: 2305, to: 2340, available: [0], lease: lease(0, 'b', 2n, 2300) },
      { from: 2345, to: 2900, available: [1], lease: lease(1, 'b', 3n, 2345) },
    ],
  }
}

const at = (shard, sequence) => ({ shard, sequence })
const lease = (shard, worker, counter, renewed) => ({ shard, worker, counter, renewed })

// Looks at the same lease, which is renewed no more, or at none.
function* looksOf({ from, to, available, lease: seen }) {
  for (let sent = from; sent <= to; sent += 50) {
    const leases = []
    if (seen !== null) {
      const { renewed, ...rest } = seen
      leases.push({ ...rest, millisLeft: Math.max(0, renewed + HELD_MILLIS - sent) })
    }
    yield { sent, answered: sent + 1, leases, available }
  }
}

function handled(worker, counter, shard, sequence, number, time) {
  return { worker, kind: 'handled', counter, shard, sequence, key: 'k', number, time }
}

function judge({ places, handled: records, granted, checkpoints, spans, delays = [] }) {
  const history = new GroupHistory()
  places.forEach((place, index) => {
    history.acknowledged('k', index + 1, place)
  })
  const tell = ({ worker, ...line }) => history.told(worker, line)
  records.forEach(tell)
  for (const it of granted) tell({ kind: 'granted', millis: HELD_MILLIS, ...it })
  for (const it of checkpoints) tell({ kind: 'wants', ...it })
  for (const it of checkpoints) tell({ kind: 'checkpointed', ...it })
  for (const span of spans) for (const it of looksOf(span)) history.looked(it)
  for (const [kind, from, until] of delays) history.delayed(kind, { from, until })
  return history.judge(family, bounds)
}

test('a good history passes: a repeat goes back to a checkpoint', () => {
  const good = { wrong: [], records: 5, repeats: 1, idleMillis: 2201, lateMillis: 0 }
  assert.deepEqual(judge(story()), good)
})

// A change of the story, and what is said of it.
const violations = {
  'a record that nobody handled': [
    ({ handled }) => handled.pop(),
    /lost: k 5, acknowledged at 1:5/,
  ],
  'a record that is skipped': [
    ({ handled }) => handled.splice(0, 1),
    /a, shard 0, lease 1: it begins at 2|k 2 behind 0/,
  ],
  'a record that is another one': [
    ({ handled }) => Object.assign(handled[3], { number: 4 }),
    /b had k 4 at 0:3, where it never was/,
  ],
  'a key that goes on before it was there': [
    ({ handled }) => Object.assign(handled[5], { time: 2340 }),
    /b had k 5 behind 3/,
  ],
  'numbers with a gap under one lease': [
    ({ handled }) => handled.splice(4, 1),
    /b had k 5 behind 3|lost: k 4/,
  ],
  'a child that is begun early': [
    ({ handled }) => Object.assign(handled[3], { time: 2355 }),
    /b began shard 1 before all of its parent 0/,
  ],
  'a worker that begins where no checkpoint is': [
    ({ checkpoints }) => Object.assign(checkpoints[0], { next: 3n }),
    /b, shard 0, lease 2: it begins at 2, which is no checkpoint/,
  ],
  'a worker that begins before the checkpoint': [
    (it) => {
      it.checkpoints.splice(1, 0, { ...it.checkpoints[0], next: 3n, sent: 119, time: 121 })
    },
    /b, shard 0, lease 2: it begins at 2, the checkpoint was 3/,
  ],
  'a checkpoint of a worker that is fenced off': [
    (it) => {
      it.checkpoints.push({ ...it.checkpoints[0], sent: 2303, time: 2304 })
    },
    /a's checkpoint of shard 0 under lease 1 was accepted behind lease 2/,
  ],
  'a lease that only a look has told of fences, too': [
    (it) => {
      it.granted.splice(1, 1)
      it.checkpoints.push({ ...it.checkpoints[0], sent: 2307, time: 2308 })
    },
    /a's checkpoint of shard 0 under lease 1 was accepted behind lease 2/,
  ],
  'two owners of one fencing token': [
    ({ checkpoints }) => Object.assign(checkpoints[1], { worker: 'a' }),
    /a's checkpoint of shard 0 under lease 2 was accepted, which is b's/,
  ],
  'a token that is given twice': [
    ({ granted }) => Object.assign(granted[2], { worker: 'a' }),
    /lease 3 of shard 1 is a's and b's/,
  ],
  'a checkpoint that goes back': [
    (it) => {
      it.checkpoints.push({ ...it.checkpoints[2], next: 5n, sent: 2390, time: 2395 })
    },
    /b set the checkpoint of shard 1 back: 5 behind 6/,
  ],
  'a checkpoint behind the end': [
    (it) => {
      it.checkpoints.push({ ...it.checkpoints[1], next: 3n, sent: 2332, time: 2333 })
    },
    /b set the checkpoint of shard 0 back: 3 behind null/,
  ],
  'a shard that nobody takes over': [
    ({ spans }) => {
      spans.splice(1, 2)
      spans[0].to = 2800
    },
    /shard 0 had no owner for 26\d\d ms, behind lease 1/,
  ],
  'a shard that is taken over late': [
    ({ spans }) => takeOverAt(spans, 2705),
    /shard 0 had no owner for 26\d\d ms, behind lease 1/,
  ],
  'a child that nobody begins': [
    ({ spans }) => Object.assign(spans[2], { to: 5000, lease: null }),
    /shard 1 had no owner for 26\d\d ms, behind lease null/,
  ],
}

function takeOverAt(spans, time) {
  spans.splice(1, 2, {
    from: time + 5,
    to: time + 100,
    available: [0],
    lease: lease(0, 'b', 2n, time),
  })
  spans[0].to = time - 5
}

for (const [name, [change, said]] of Object.entries(violations)) {
  test(`found: ${name}`, () => {
    const facts = story()
    change(facts)
    const { wrong } = judge(facts)
    assert.ok(wrong.length > 0, 'nothing was found')
    assert.match(wrong.join('\n'), said)
  })
}

test('a machine that is late is allowed as much as it was late meanwhile, and no more', () => {
  const facts = story()
  takeOverAt(facts.spans, 2800)
  const early = ['sync', -300, 0]
  for (const [kind, prompt] of [
    ['sync', 100],
    ['timer', 20],
  ]) {
    const [short, long] = [33, 34].map((more) => [kind, 2400, 2400 + prompt + more])
    assert.equal(judge({ ...facts, delays: [early, short] }).wrong.length, 1)
    assert.deepEqual(judge({ ...facts, delays: [long] }).wrong, [])
    assert.equal(judge({ ...facts, delays: [long] }).lateMillis, 101)
  }
})

test('a machine that is late is allowed no more than the bound', () => {
  const facts = story()
  const stood = ['timer', 500, 2500]
  takeOverAt(facts.spans, 3150)
  assert.deepEqual(judge({ ...facts, delays: [stood] }).wrong, [])
  takeOverAt(facts.spans, 3250)
  const { wrong } = judge({ ...facts, delays: [stood] })
  assert.match(wrong.join('\n'), /shard 0 had no owner for 31\d\d ms, behind lease 1/)
})

test('a run in which little happens to the group proves nothing', () => {
  const enough = { kills: 4, stops: 2, reshards: 10 }
  assert.deepEqual(tooLittle(enough, 20), [])
  for (const what of Object.keys(enough)) {
    const [said, ...more] = tooLittle({ ...enough, [what]: enough[what] - 1 }, 20)
    assert.match(said, new RegExp(`${what} in 20 s, at least ${enough[what]} were to be`))
    assert.deepEqual(more, [])
  }
  assert.equal(tooLittle({ kills: 0, stops: 0, reshards: 0 }, 60).length, 3)
  assert.equal(tooLittle({}, 60).length, 3)
})

test('a lease that was renewed is taken later, and that is no violation', () => {
  const facts = story()
  facts.spans[0].to = 650
  facts.spans.splice(
    1,
    1,
    { from: 700, to: 2650, available: [0], lease: lease(0, 'a', 1n, 690) },
    { from: 2705, to: 2800, available: [0], lease: lease(0, 'b', 2n, 2700) },
  )
  facts.spans[3].from = 2900
  assert.deepEqual(judge(facts).wrong, [])
})

test('a lease counts from its renewal, which lies as far back as its worker asked for', () => {
  const facts = story()
  facts.spans.splice(1, 2)
  facts.spans[0].to = 2600
  assert.deepEqual(judge(facts).wrong, [])
  for (const it of facts.granted) it.millis = HELD_MILLIS + 500
  assert.match(judge(facts).wrong.join('\n'), /shard 0 had no owner for 26\d\d ms, behind lease 1/)
})

test('lines of workers are read as they were written', () => {
  for (const [kind, fields] of [
    ['handled', { shard: 3, counter: 7n, sequence: 2n ** 60n, key: 'p0-1', number: 12 }],
    ['granted', { shard: 3, counter: 7n, next: null, sent: 12.5, millis: 1500 }],
    ['checkpointed', { shard: 3, counter: 7n, next: 5n, sent: 12.5 }],
    ['ended', { text: 'LOG_FAILED: a disk with\nno words' }],
  ]) {
    const { time, ...read } = readLine(writeLine(kind, fields).trimEnd())
    assert.deepEqual(read, { kind, ...fields })
    assert.ok(time > 0)
  }
})
