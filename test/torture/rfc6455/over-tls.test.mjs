// What is expected over TLS names cases of the other port.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cases } from './cases.mjs'
import { deviations } from './deviations.mjs'
import { ONES, tlsCases } from './over-tls.mjs'

test('whatever has a name of its own is one case', () => {
  const named = Object.keys(ONES).map((name) => cases.filter((it) => it.name === name).length)
  assert.deepEqual(new Set(named), new Set([1]))
})

test('each case is there, and what it deviates in has a name', () => {
  assert.equal(tlsCases.length, cases.length)
  for (const { deviation } of tlsCases) {
    assert.ok(deviation === undefined || deviation in deviations)
  }
})

test('a frame that is wrong is answered with the code for it', () => {
  const expectOf = (name) => tlsCases.find((it) => it.name === name).expect
  assert.deepEqual(expectOf('opcode 3'), ['close 1002', 'end'])
  assert.deepEqual(expectOf('FE: no UTF-8'), ['close 1007', 'end'])
  assert.deepEqual(expectOf('a length of 2^63'), ['close 1009', 'end'])
})
