import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from './random.mjs'

const draw = (random, count) => Array.from({ length: count }, () => random.bits())

test('a seed repeats its numbers; another gives others', () => {
  assert.deepEqual(draw(new Random('7/T-P2'), 10), draw(new Random('7/T-P2'), 10))
  assert.notDeepEqual(draw(new Random('7/T-P2'), 10), draw(new Random('8/T-P2'), 10))
})

test('a fork does not depend on what was drawn before it', () => {
  const used = new Random(1)
  draw(used, 100)
  assert.deepEqual(draw(used.fork('a'), 5), draw(new Random(1).fork('a'), 5))
  assert.notDeepEqual(draw(used.fork('a'), 5), draw(used.fork('b'), 5))
})

test('numbers are in their bounds and about even', () => {
  const random = new Random('even')
  const counts = new Array(10).fill(0)
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]++
  for (const count of counts) assert.ok(count > 9_500 && count < 10_500, `${counts}`)
  for (let i = 0; i < 1000; i++) {
    const value = random.between(3, 5)
    assert.ok(value >= 3 && value <= 5)
  }
})

test('a chance comes true about as often as it should', () => {
  const random = new Random('chance')
  const hits = Array.from({ length: 100_000 }, () => random.chance(0.3)).filter(Boolean).length
  assert.ok(hits > 29_000 && hits < 31_000, `${hits}`)
})
