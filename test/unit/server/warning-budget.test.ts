import { expect, it } from 'vitest'
import { WarningBudget } from '../../../src/server/warning-budget.ts'
import { FakeLogger } from './fakes.ts'

it('writes so many warnings, then says how many more there were, and begins anew', () => {
  const logger = new FakeLogger()
  const budget = new WarningBudget(logger, 2)
  for (let index = 0; index < 5; index += 1) budget.warn({ index }, 'wrong')
  expect(logger.lines.map(({ facts }) => facts)).toEqual([{ index: 0 }, { index: 1 }])
  budget.renew()
  budget.renew()
  budget.warn({ index: 5 }, 'wrong')
  expect(logger.lines.slice(2).map(({ facts }) => facts)).toEqual([{ suppressed: 3 }, { index: 5 }])
})
