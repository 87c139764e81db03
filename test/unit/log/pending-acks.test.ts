import { describe, expect, it } from 'vitest'
import { PendingAcks, type ShardProgress } from '../../../src/log/pending-acks.ts'

class FakeProgress implements ShardProgress {
  readonly ends = new Map<number, bigint>()
  readonly reasons = new Map<number, unknown>()

  committedEnd(slot: number): bigint {
    return this.ends.get(slot) ?? 0n
  }

  stopReason(slot: number): unknown {
    return this.reasons.get(slot)
  }
}

function waiter(name: string, told: string[]) {
  return {
    reached: () => told.push(`${name} reached`),
    failed: (error: unknown) => told.push(`${name} ${error}`),
  }
}

describe('pending acknowledgements', () => {
  it('are told in the order of their ends, when these are committed', () => {
    const acks = new PendingAcks()
    const progress = new FakeProgress()
    const told: string[] = []
    acks.add(1, 10n, waiter('a', told))
    acks.add(1, 30n, waiter('c', told))
    // A repeat of a batch that was appended before.
    acks.add(1, 20n, waiter('b', told))
    acks.add(2, 5n, waiter('d', told))
    acks.settle(progress)
    expect(told).toEqual([])
    progress.ends.set(1, 20n)
    acks.settle(progress)
    expect(told).toEqual(['a reached', 'b reached'])
    progress.ends.set(1, 29n).set(2, 6n)
    acks.settle(progress)
    expect(told.splice(2)).toEqual(['d reached'])
    expect(acks.isEmpty).toBe(false)
    progress.ends.set(1, 30n)
    acks.settle(progress)
    expect(told.splice(2)).toEqual(['c reached'])
    expect(acks.isEmpty).toBe(true)
  })

  it('of a shard that failed are told why, except what was committed before', () => {
    const acks = new PendingAcks()
    const progress = new FakeProgress()
    const told: string[] = []
    acks.add(1, 10n, waiter('a', told))
    acks.add(1, 20n, waiter('b', told))
    acks.add(2, 20n, waiter('c', told))
    progress.ends.set(1, 10n)
    progress.reasons.set(1, 'failed')
    acks.settle(progress)
    expect(told).toEqual(['a reached', 'b failed'])
    acks.failAll('closed')
    expect(told.splice(2)).toEqual(['c closed'])
    expect(acks.isEmpty).toBe(true)
  })

  it('may be added while others are told', () => {
    const acks = new PendingAcks()
    const progress = new FakeProgress()
    const told: string[] = []
    acks.add(1, 10n, {
      reached: () => acks.add(1, 11n, waiter('later', told)),
      failed: () => undefined,
    })
    progress.ends.set(1, 10n)
    acks.settle(progress)
    expect(acks.isEmpty).toBe(false)
    progress.ends.set(1, 11n)
    acks.settle(progress)
    expect(told).toEqual(['later reached'])
  })

  it('are many, and each is told once', () => {
    const acks = new PendingAcks()
    const progress = new FakeProgress()
    let reached = 0
    for (let i = 1; i <= 20_000; i += 1) {
      acks.add(0, BigInt(i), {
        reached: () => {
          reached += 1
        },
        failed: () => undefined,
      })
    }
    for (let end = 0; end <= 20_000; end += 7) {
      progress.ends.set(0, BigInt(end))
      acks.settle(progress)
      expect(reached).toBe(end)
    }
    progress.ends.set(0, 20_000n)
    acks.settle(progress)
    expect(reached).toBe(20_000)
    expect(acks.isEmpty).toBe(true)
  })
})
