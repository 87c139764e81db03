import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeWait } from './room-wait.mjs'

const none = { timer: [], sync: [] }
const wait = (millis) => ({ millis, until: 10_000 })
const sync = (from, until) => ({ timer: [], sync: [{ from, until }] })

test('a second is allowed, and no more', () => {
  assert.equal(judgeWait(wait(1000), null), null)
  assert.match(judgeWait(wait(1001), null), /for 1001 ms .* 1000 ms are allowed/)
  assert.match(judgeWait(wait(1001), none), /1000 ms are allowed/)
})

test('what the machine was late with meanwhile is allowed besides, up to a bound', () => {
  assert.equal(judgeWait(wait(1400), sync(9000, 9300)), null)
  assert.match(judgeWait(wait(1401), sync(9000, 9300)), /1400 ms are allowed/)
  assert.match(judgeWait(wait(1401), sync(8000, 8300)), /1000 ms are allowed/)
  assert.equal(judgeWait(wait(2000), sync(9000, 9900)), null)
  assert.match(judgeWait(wait(2001), sync(9000, 9900)), /2000 ms are allowed/)
})
