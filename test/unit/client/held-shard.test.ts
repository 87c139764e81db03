import { describe, expect, test } from 'vitest'
import { HeldShard } from '../../../src/client/held-shard.ts'

const lease = { shardId: 'shardId-000000000000', leaseCounter: 1n }

function held(stored?: bigint): HeldShard {
  const shard = new HeldShard(lease, stored)
  shard.begin(stored ?? 1n)
  return shard
}

/** What is to be written, and that it is. */
function write(shard: HeldShard): bigint | 'end' | undefined {
  const { due } = shard
  if (due === undefined) return undefined
  shard.stored(due)
  return due.nextSequenceNumber ?? 'end'
}

describe('what is to be written', () => {
  test('first where it begins, unless that is written down, then what is worked off', () => {
    const fresh = held()
    expect([write(fresh), write(fresh)]).toEqual([1n, undefined])
    const shard = held(5n)
    expect(write(shard)).toBeUndefined()
    shard.deliver(8n)
    expect(write(shard)).toBeUndefined()
    shard.workOff(8n)
    expect([write(shard), write(shard)]).toEqual([8n, undefined])
  })

  test('never an earlier place', () => {
    const shard = held(5n)
    shard.deliver(9n)
    shard.workOff(9n)
    shard.workOff(7n)
    expect(write(shard)).toBe(9n)
  })

  test('numbers without records, but only behind what is worked off: with it', () => {
    const shard = held(5n)
    shard.reach(7n)
    expect(write(shard)).toBe(7n)
    shard.deliver(9n)
    shard.reach(11n)
    expect(write(shard)).toBeUndefined()
    shard.workOff(8n)
    expect(write(shard)).toBe(8n)
    shard.workOff(9n)
    expect(write(shard)).toBe(11n)
    shard.end()
    expect(write(shard)).toBe('end')
  })

  test('the end, once everything is worked off', () => {
    const shard = held(5n)
    shard.deliver(9n)
    shard.end()
    expect([shard.isThrough, write(shard)]).toEqual([false, undefined])
    shard.workOff(7n)
    expect([shard.isThrough, write(shard)]).toEqual([false, 7n])
    shard.workOff(9n)
    expect([shard.isThrough, write(shard), write(shard)]).toEqual([true, 'end', undefined])
  })

  test('the end at once, of a shard without records', () => {
    const shard = held(5n)
    shard.end()
    expect(write(shard)).toBe('end')
  })
})

test('a subscription that begins again does not move the place', () => {
  const shard = held(5n)
  shard.deliver(9n)
  shard.workOff(9n)
  shard.begin(5n)
  expect(write(shard)).toBe(9n)
})
