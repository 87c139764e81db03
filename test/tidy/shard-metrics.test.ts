/** README says which row of /metrics stands for which metric of a shard that Kinesis has. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Figures } from '../../src/server/metric-row.ts'
import { shardRows } from '../../src/server/shard-metrics.ts'
import { shardLevelMetrics } from '../../src/wire/structures.ts'
import { root } from './source-tree.ts'

/** One shard, whose metrics have values by which they are told apart; those in ms, seconds. */
const values = new Map(shardLevelMetrics.map((it, at) => [it, 1000 * (at + 1)]))
const shards = [{ shardId: 'shardId-000000000000', figures: values }]
const figures = { broker: { streams: [{ streamName: 's', shards }] } } as unknown as Figures

function metricOf(value: number | undefined): string | undefined {
  const metrics = [...values].map(([name, it]) => {
    return [name, name.endsWith('Milliseconds') ? it / 1000 : it] as const
  })
  return metrics.find(([, it]) => it === value)?.[0]
}

it('the rows of shards stand in README, each with its metric', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const documented = Array.from(
    readme.matchAll(/^\| `(millrace_shard_\w+)` \| (\w+) \|/gm),
    ([, name, metric]) => [name, metric],
  )
  const told = shardRows.map(({ name, samples }) => [name, metricOf(samples(figures)[0]?.[0])])
  expect(documented).toEqual(told)
  expect(documented.map(([, metric]) => metric).sort()).toEqual([...shardLevelMetrics].sort())
})
