/** What something costs, from turns in pairs: how sure the median is, and what goals make of it. */

import { expect, it } from 'vitest'

// Plain JavaScript without declarations, as the bench has no build step.
const lib = async (name: string) =>
  await import(new URL(`../../bench/lib/${name}.mjs`, import.meta.url).href)

/** Numbers that only look random; the same each time. */
function* numbers(seed: number) {
  let state = seed
  for (;;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

it.each([
  [6, 1, 6],
  [8, 1, 8],
  [9, 2, 8],
  [24, 7, 18],
  [40, 14, 27],
])(
  'the interval of the median of %i figures goes from rank %i to rank %i',
  async (n, low, high) => {
    const { medianInterval } = await lib('median-interval')
    const ranks = Array.from({ length: n }, (_, i) => i + 1)
    expect(medianInterval(ranks.toReversed())).toMatchObject({ low, high })
  },
)

it('says nothing of an interval where there are too few figures', async () => {
  const { medianInterval } = await lib('median-interval')
  expect(medianInterval([3, 1, 2, 5, 4])).toEqual({ median: 3 })
})

it('holds the median that the figures come from in 95 of 100 cases', async () => {
  const { medianInterval } = await lib('median-interval')
  const seed = 7
  const random = numbers(seed)
  const next = () => random.next().value as number
  const cases = 2000
  let held = 0
  for (let i = 0; i < cases; i += 1) {
    // Far from a normal distribution; its median is 1/4.
    const { low, high } = medianInterval(Array.from({ length: 24 }, () => next() ** 2))
    if (low <= 0.25 && high >= 0.25) held += 1
  }
  expect(held / cases, `seed ${seed}`).toBeGreaterThan(0.94)
  expect(held / cases, `seed ${seed}`).toBeLessThan(0.99)
})

const pairOf = (low: number | undefined, median: number) => ({
  id: 'I2',
  name: 'a put of 500 x 100 B in process, with permissions and rates',
  params: {},
  value: 8e6,
  unit: 'records/s',
  limit: { name: 'the same without', value: 9e6, unit: 'records/s' },
  paired: {
    byClock: { median: 0.97, low: 0.96, high: 0.99 },
    byCpuTime: { median, low, high: 1.01 },
  },
})

it.each([
  [0.985, 0.99, 'must'],
  [0.979, 1, 'below'],
  [undefined, 1, 'below'],
])(
  'a cost is within its goal when the whole interval is: from %f',
  async (low, median, verdict) => {
    const { benches } = await lib('catalog')
    const { complete } = await lib('runner')
    const { cellsOf } = await lib('table')
    const [row] = complete([pairOf(low, median)], benches, 'full')
    expect(row.goals).toEqual([{ of: 'cost', must: 0.02, verdict }])
    expect(row.limit.ratio).toBe(0.97)
    expect(cellsOf(row)[0]).toContain('97.0 % (96.0 % to 99.0 %); by CPU time')
    expect(cellsOf(row)[4]).toContain('(costs at most 2 %)')
  },
)
