import { describe, expect, it } from 'vitest'
import { CliError } from '../../../src/cli/exit-codes.ts'
import { parseFrom, parseResource } from '../../../src/cli/positions.ts'

const now = Date.parse('2026-01-31T12:00:00Z')

describe('parseFrom', () => {
  it.each([
    ['latest', { kind: 'latest' }],
    ['oldest', { kind: 'oldest' }],
    ['0', { kind: 'sequenceNumber', sequenceNumber: 0n }],
    ['18446744073709551615', { kind: 'sequenceNumber', sequenceNumber: 2n ** 64n - 1n }],
    ['500ms', { kind: 'time', millis: now - 500 }],
    ['90s', { kind: 'time', millis: now - 90_000 }],
    ['10m', { kind: 'time', millis: now - 600_000 }],
    ['2h', { kind: 'time', millis: now - 7_200_000 }],
    ['1d', { kind: 'time', millis: now - 86_400_000 }],
    ['99999d', { kind: 'time', millis: 0 }],
    ['2026-01-31', { kind: 'time', millis: Date.parse('2026-01-31T00:00:00Z') }],
    ['2026-01-31T11:59:59.5Z', { kind: 'time', millis: now - 500 }],
    ['2026-01-31T12:00:00+01:00', { kind: 'time', millis: now - 3_600_000 }],
  ])('reads %s', (text, from) => {
    expect(parseFrom(text, now)).toEqual(from)
  })

  it.each(['', 'newest', '-1', '10 m', '10y', '2026-13-01', '1.5', '18446744073709551616'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseFrom(text, now)).toThrow(CliError)
    },
  )
})

describe('parseResource', () => {
  it.each([
    ['orders', { stream: 'orders' }],
    ['orders/2', { stream: 'orders', shardId: 'shardId-000000000002' }],
    ['orders/shardId-000000000002', { stream: 'orders', shardId: 'shardId-000000000002' }],
    ['orders@7', { stream: 'orders', sequenceNumber: 7n }],
    ['a.b/0@7', { stream: 'a.b', shardId: 'shardId-000000000000', sequenceNumber: 7n }],
  ])('reads %s', (text, resource) => {
    expect(parseResource(text)).toEqual(resource)
  })

  it.each(['', '/1', 'orders/', 'orders/x', 'orders@', 'orders@x', 'a/1/2', 'a@1@2'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseResource(text)).toThrow(CliError)
    },
  )
})
