import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions, UsageError } from './options.mjs'

test('takes ids and options in any order, with = or a blank', () => {
  const options = parseOptions(['T-P2', '--count=50', '--seed', '7', 'T-K0', '--tier', 'ci'])
  assert.deepEqual(options.ids, ['T-P2', 'T-K0'])
  assert.equal(options.count, 50)
  assert.equal(options.seed, 7)
  assert.equal(options.tier, 'ci')
})

test('without arguments runs the full tier with a drawn seed', () => {
  const options = parseOptions([])
  assert.equal(options.tier, 'full')
  assert.equal(options.seed, null)
  assert.equal(options.count, null)
})

test('the last of two equal options wins, so that a wrapper can add its own', () => {
  assert.equal(parseOptions(['--seed', '1', '--seed', '2']).seed, 2)
})

for (const [name, argv] of Object.entries({
  'an unknown option': ['--fast'],
  'a value that is missing': ['--seed'],
  'a count of zero': ['--count', '0'],
  'a negative seed': ['--seed', '-1'],
  'a seed that is no number': ['--seed', '1e3'],
  'a seed above 2^53': ['--seed', '9007199254740993'],
  'a tier that is none': ['--tier', 'night'],
  'a value for a flag': ['--list=yes'],
})) {
  test(`refuses ${name}`, () => assert.throws(() => parseOptions(argv), UsageError))
}
