import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Action, actions, rightsOf } from '../../../../src/broker/caller.ts'
import { needOf } from '../../../../src/broker/operation-rights.ts'
import { type Permission, Permissions } from '../../../../src/server/access/permissions.ts'
import { authenticate } from '../../../../src/wire/access-operations.ts'
import { operationsByOpcode } from '../../../../src/wire/operations.ts'

const may = (permissions: Permissions, action: Action, stream: string) =>
  (permissions.rightsOn(stream) & rightsOf([action])) !== 0

describe('permissions', () => {
  it.each<[string, readonly string[], string, boolean]>([
    ['an exact name', ['orders'], 'orders', true],
    ['no longer name', ['orders'], 'orders-2', false],
    ['no shorter name', ['orders'], 'order', false],
    ['no name in another case', ['orders'], 'Orders', false],
    ['names behind a prefix', ['metrics-*'], 'metrics-cpu', true],
    ['the prefix itself', ['metrics-*'], 'metrics-', true],
    ['nothing before a prefix', ['metrics-*'], 'my-metrics-cpu', false],
    ['no dot as any character', ['a.b'], 'axb', false],
    ['no dot of a prefix as one', ['a.*'], 'ab', false],
    ['every name', ['*'], 'anything', true],
    ['nothing', [], 'orders', false],
    ['nothing that objects have', ['orders'], 'constructor', false],
  ])('cover %s', (_, streams, name, expected) => {
    const permissions = new Permissions([{ actions: ['put'], streams }])
    expect(may(permissions, 'put', name)).toBe(expected)
    expect(may(permissions, 'get', name)).toBe(false)
  })

  it('are what an oracle finds by looking at all of them', () => {
    const name = fc.stringMatching(/^[ab.-]{1,4}$/)
    const pattern = fc.oneof(
      name,
      name.map((it) => `${it}*`),
      fc.constant('*'),
    )
    const rows = fc.array(
      fc.record({
        actions: fc.subarray([...actions], { minLength: 1 }),
        streams: fc.array(pattern, { minLength: 1, maxLength: 4 }),
      }),
      { maxLength: 5 },
    )
    const covers = (stream: string, wanted: string) =>
      wanted.endsWith('*') ? stream.indexOf(wanted.slice(0, -1)) === 0 : stream === wanted
    const oracle = (all: readonly Permission[], action: Action, stream: string) =>
      all.some((it) => it.actions.includes(action) && it.streams.some((s) => covers(stream, s)))
    fc.assert(
      fc.property(rows, fc.array(name, { maxLength: 8 }), (all, streams) => {
        const permissions = new Permissions(all)
        for (const stream of streams) {
          for (const action of actions) {
            expect(may(permissions, action, stream)).toBe(oracle(all, action, stream))
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('answer the same when so many names were asked for that answers are forgotten', () => {
    const permissions = new Permissions([{ actions: ['get'], streams: ['s-1*'] }])
    for (let round = 0; round < 2; round += 1) {
      for (let i = 0; i < 3000; i += 1) {
        expect(may(permissions, 'get', `s-${i}`)).toBe(String(i).startsWith('1'))
      }
    }
  })
})

it('every operation has a row that says what it takes', () => {
  const without = [...operationsByOpcode.values()].filter((it) => needOf(it) === undefined)
  expect(without.map((it) => it.name)).toEqual([authenticate.name])
})
