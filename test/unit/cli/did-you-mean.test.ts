import { expect, it } from 'vitest'
import { editDistance, nearest } from '../../../src/cli/did-you-mean.ts'

it.each([
  ['listen', 'listen', 0],
  ['lsiten', 'listen', 1],
  ['listn', 'listen', 1],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
])('from %s to %s it takes %i', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance)
  expect(editDistance(b, a)).toBe(distance)
})

it.each([
  ['loglevel', 'logLevel'],
  ['LOG_LEVEL', 'logLevel'],
  ['log-levle', 'logLevel'],
  ['dta', 'data'],
  ['something-else-altogether', undefined],
])('%s means %s', (name, meant) => {
  expect(nearest(name, ['listen', 'logLevel', 'data'])).toBe(meant)
})
