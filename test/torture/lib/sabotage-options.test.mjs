import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HELP, parseOptions } from '../../sabotage/options.mjs'
import { UsageError } from './options.mjs'

test('without arguments runs all of the full tier', () => {
  const { tier, seed, only, count, help } = parseOptions([])
  assert.deepEqual([tier, seed, only, count, help], ['full', '0', undefined, undefined, false])
})

test('--help and -h ask for the text, which has each option', () => {
  assert.equal(parseOptions(['--help']).help, true)
  assert.equal(parseOptions(['-h']).help, true)
  for (const name of Object.keys(parseOptions([]))) assert.match(HELP, new RegExp(`--${name}\\b`))
})

for (const [name, argv] of Object.entries({
  'an unknown option': ['--fast'],
  'a value that is missing': ['--only'],
  'a count that is no number': ['--count', 'x'],
  'a negative seed': ['--seed=-1'],
  'a tier that is none': ['--tier', 'night'],
  'a word that is no option': ['all'],
})) {
  test(`refuses ${name} in one line`, () => {
    const isOneLine = (error) => error instanceof UsageError && !error.message.includes('\n')
    assert.throws(() => parseOptions(argv), isOneLine)
  })
}
