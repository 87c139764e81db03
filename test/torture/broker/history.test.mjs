// Histories with a broken promise each, and a good one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History } from './history.mjs'

const at = (shard, sequence) => ({ shard, sequence })

// Two producers, two shards, one reader; `full` is what is there at the end.
function story() {
  const history = new History()
  history.addProducer('i0', { idempotent: true })
  history.addProducer('p0', { idempotent: false })
  for (const number of [1, 2, 3]) history.sends('i0', number, 'key')
  history.acknowledged('i0', 1, at(0, 1n), 'a')
  history.acknowledged('i0', 2, at(0, 2n), 'a')
  history.acknowledged('i0', 3, at(0, 4n), 'b')
  history.sends('p0', 1, 'other')
  history.sends('p0', 1, 'other')
  history.acknowledged('p0', 1, at(0, 5n), 'c')
  const full = new Map([
    [
      0,
      [
        { sequence: 1n, key: 'key', text: 'i0 1' },
        { sequence: 2n, key: 'key', text: 'i0 2' },
        { sequence: 3n, key: 'other', text: 'p0 1' },
        { sequence: 4n, key: 'key', text: 'i0 3' },
        { sequence: 5n, key: 'other', text: 'p0 1' },
      ],
    ],
    [1, []],
  ])
  for (const { sequence, text } of full.get(0)) history.saw('r0', 0, sequence, text)
  return { history, full }
}

test('a good history passes, with a duplicate of a plain producer that repeated itself', () => {
  const { history, full } = story()
  assert.deepEqual(history.judge(full), { wrong: [], duplicates: 1, records: 5 })
  assert.equal(history.acknowledgedCount, 4)
})

// What is done to the good history, and what is said of it.
const broken = [
  ['a lost tail', ({ full }) => full.get(0).pop(), /lost: p0 1, acknowledged at 0:5/],
  [
    'a record replaced by another',
    ({ full }) => Object.assign(full.get(0)[1], { text: 'i0 3', key: 'key' }),
    /lost: i0 2, acknowledged at 0:2, where i0 3 is/,
  ],
  ['a changed key', ({ full }) => Object.assign(full.get(0)[0], { key: 'x' }), /key of i0 1/],
  ['a gap', ({ full }) => full.get(0).splice(2, 1), /4 follows 2/],
  [
    'a duplicate of an idempotent producer',
    ({ full }) => full.get(1).push({ sequence: 1n, key: 'key', text: 'i0 2' }),
    /1 duplicates of the idempotent i0/,
  ],
  [
    'more duplicates than repeats',
    ({ full }) => full.get(1).push({ sequence: 1n, key: 'other', text: 'p0 1' }),
    /2 duplicates of p0, which repeated 1/,
  ],
  [
    'keys out of order',
    ({ full }) => {
      const records = full.get(0)
      ;[records[0].text, records[1].text] = [records[1].text, records[0].text]
    },
    /i0 1 behind 2/,
  ],
  [
    'numbers that fall on a connection',
    ({ history }) => {
      history.sends('i0', 4, 'key')
      history.acknowledged('i0', 4, at(0, 3n), 'b')
    },
    /i0 4: numbers fall in 0/,
  ],
  [
    'a phantom',
    ({ full }) => Object.assign(full.get(0)[4], { text: 'p0 9' }),
    /p0 9 was never sent/,
  ],
  [
    'a reader that skips',
    ({ history }) => history.saw('r1', 0, 2n, 'i0 2'),
    /r1, shard 0: 2 after 0/,
  ],
  ['a reader that sees twice', ({ history }) => history.saw('r0', 0, 5n, 'p0 1'), /5 after 5/],
  [
    'a reader that saw what is gone',
    ({ history }) => history.saw('r0', 0, 6n, 'p0 2'),
    /r0 saw p0 2 at 0:6, which is gone/,
  ],
  [
    'two orders',
    ({ history }) => history.saw('r1', 0, 1n, 'i0 2'),
    /two contents at 0:1: r1 saw i0 2, then it is i0 1/,
  ],
]

for (const [what, spoil, message] of broken) {
  test(`${what} is found`, () => {
    const tale = story()
    spoil(tale)
    const { wrong } = tale.history.judge(tale.full)
    assert.ok(
      wrong.some((it) => message.test(it)),
      wrong.join('\n') || 'nothing was found',
    )
  })
}
