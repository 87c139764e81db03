import { expect, it } from 'vitest'
import { DeliveryCheck } from '../../../src/cli/delivery-check.ts'

const clean = { lost: 0, duplicated: 0, outOfOrder: 0, foreign: 0 }

/** Numbers of two keys: even ones are of `a`, odd ones of `b`. */
function reportOf(total: number, numbers: readonly number[]) {
  const check = new DeliveryCheck(total)
  for (const number of numbers) check.take(number % 2 === 0 ? 'a' : 'b', number)
  return check.report()
}

it.each([
  ['all in order', [0, 1, 2, 3], { ...clean, delivered: 4 }],
  ['keys interleaved otherwise', [1, 3, 0, 2], { ...clean, delivered: 4 }],
  ['one lost', [0, 1, 3], { ...clean, delivered: 3, lost: 1 }],
  ['one twice', [0, 1, 1, 2, 3], { ...clean, delivered: 4, duplicated: 1 }],
  ['two of one key swapped', [2, 0, 1, 3], { ...clean, delivered: 4, outOfOrder: 1 }],
  ['one that was never put', [0, 1, 2, 3, 4], { ...clean, delivered: 4, foreign: 1 }],
  ['one that cannot be read', [0, 1, 2, 3, -1], { ...clean, delivered: 4, foreign: 1 }],
  ['nothing', [], { ...clean, delivered: 0, lost: 4 }],
])('finds %s', (_, numbers, report) => {
  expect(reportOf(4, numbers)).toEqual(report)
})

it('need not see what was refused, and may', () => {
  const check = new DeliveryCheck()
  for (const number of [0, 1, 3]) check.take('a', number)
  expect(check.report(5, new Set([2, 4]))).toEqual({ ...clean, delivered: 3 })
  expect(check.report(5, new Set([1, 4]))).toEqual({ ...clean, delivered: 3, lost: 1 })
})

it('tells of more than was put where the total is known last', () => {
  const check = new DeliveryCheck()
  for (let number = 0; number < 20_000; number += 1) check.take('a', number)
  expect(check.report(20_000)).toEqual({ ...clean, delivered: 20_000 })
  expect(check.report(19_999)).toMatchObject({ lost: 0, foreign: 1 })
  const one = new DeliveryCheck()
  for (const number of [0, 2]) one.take('a', number)
  expect(one.report(2)).toMatchObject({ lost: 1, foreign: 1 })
})
