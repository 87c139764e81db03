import { expect, it } from 'vitest'
import { WarningBudget } from '../../../src/server/warning-budget.ts'
import { FakeLogger, makeConnections } from './fakes.ts'

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

it('has as many lines as is set, of each kind', () => {
  const { connections, logger } = makeConnections({ warningLinesMax: 3, auditLinesMax: 2 })
  for (let index = 0; index < 10; index += 1) {
    connections.warn({}, 'a connection was cut')
    connections.gate.audit.denied('reader', 'CreateStream', 'orders')
    connections.gate.audit.refused('no token', '127.0.0.1')
  }
  const countOf = (text: string) => logger.lines.filter((it) => it.text === text).length
  expect(countOf('a connection was cut')).toBe(3)
  expect(countOf('a request was denied')).toBe(2)
  expect(countOf('a client was refused')).toBe(2)
})
