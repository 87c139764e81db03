import assert from 'node:assert/strict'
import test from 'node:test'
import { mutants, table } from '../../sabotage/mutants.mjs'
import { halfOf, select } from '../../sabotage/select.mjs'

const numbers = (options) => select(mutants, { table, ...options }).map((it) => it.number)

test('the ci tier runs half of the table, the other half on the next day, and all others in turns', () => {
  const perRun = 4
  const half = halfOf(table)
  const seen = new Set()
  for (let seed = 1; seed <= Math.ceil(mutants.length / perRun); seed++) {
    const chosen = numbers({ tier: 'ci', count: half + perRun, seed })
    const next = numbers({ tier: 'ci', count: half + perRun, seed: seed + 1 })
    const inTable = (number) => table.includes(number)
    assert.equal(chosen.filter(inTable).length, half)
    assert.deepEqual(new Set([...chosen, ...next].filter(inTable)), new Set(table))
    assert.equal(new Set(chosen).size, half + perRun)
    for (const number of chosen) seen.add(number)
  }
  assert.equal(seen.size, mutants.length)
})

test('without a count all of them run, with one another share for each seed', () => {
  assert.equal(numbers({ tier: 'full', seed: 5 }).length, mutants.length)
  const [one, other] = [1, 2].map((seed) => numbers({ tier: 'full', count: 8, seed }))
  assert.equal(new Set([...one, ...other]).size, 16)
})

test('a number that no mutant has is refused, and so is a count below half of the table', () => {
  assert.deepEqual(numbers({ only: '4,2' }), [2, 4])
  assert.throws(() => numbers({ only: '2,999' }), /no mutant 999/)
  assert.throws(() => numbers({ tier: 'ci', count: 3, seed: 1 }), /not 3/)
})
