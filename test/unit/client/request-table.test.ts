import { expect, test } from 'vitest'
import { Patience } from '../../../src/client/patience.ts'
import { Request } from '../../../src/client/request.ts'
import { RequestTable } from '../../../src/client/request-table.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const clock = new FakeClock()
const nothing = () => undefined

function request(id: number): Request {
  const patience = new Patience(clock, 'DescribeStream', {})
  const settle = { resolve: nothing, reject: nothing, patience }
  const frame = new Uint8Array()
  return new Request({ id, opcode: 1, name: 'DescribeStream', frame, repeatable: true, ...settle })
}

test('what was given up while nothing is sent is let go of', () => {
  const table = new RequestTable()
  const kept = request(0)
  table.add(kept)
  for (let id = 1; id <= 100_000; id += 1) {
    const given = request(id)
    table.add(given)
    given.reject('enough')
  }
  expect(table.waitingCount).toBeLessThan(200)
  expect(table.next(1)).toBe(kept)
})

test('what a broker that shuts down refused goes again in the order in which it was sent', () => {
  const table = new RequestTable()
  const requests = Array.from({ length: 4 }, (_, id) => request(id))
  for (const it of requests) table.add(it)
  const [first, second, third, unsent] = requests
  for (const it of [first, second, third]) expect(table.next(3)).toBe(it)
  for (const it of [first, third]) table.putBack(table.take(it?.id ?? -1, 1))
  table.lose(false, '1012')
  expect(requests.map(() => table.next(4))).toEqual([first, second, third, unsent])
})
