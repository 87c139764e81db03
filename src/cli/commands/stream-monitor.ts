/** `millrace stream monitor`. */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import { type MonitoringWord, monitoringWords } from '../../wire/monitoring-operations.ts'
import type { ShardLevelMetric } from '../../wire/structures.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { whenActive } from '../wait-active.ts'

async function monitor(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const streamName = args[0] as string
  checkBoth(invocation)
  await withClient(invocation, async (client) => {
    const shardLevelMetrics = await change(client, streamName, invocation)
    output.show({ streamName, shardLevelMetrics }, () =>
      shardLevelMetrics.length === 0
        ? `no metrics of the shards of ${streamName} are told`
        : [`of each shard of ${streamName}:`, ...shardLevelMetrics.map((it) => `  ${it}`)],
    )
  })
}

/** What is told when all of it is done: the stream is ACTIVE then. */
async function change(
  client: Client,
  streamName: string,
  { options, signal }: Invocation,
): Promise<readonly ShardLevelMetric[]> {
  const { enable, disable } = options as Record<string, readonly MonitoringWord[] | undefined>
  const settled = () => whenActive(() => client.describeStreamSummary(streamName), signal)
  const steps = [
    disable && (() => client.disableEnhancedMonitoring(streamName, disable)),
    enable && (() => client.enableEnhancedMonitoring(streamName, enable)),
  ]
  // All but some of them, or none but some of them.
  if (enable?.includes('ALL') === true) steps.reverse()
  for (const step of steps) {
    if (step === undefined) continue
    await step()
    await settled()
  }
  return (await settled()).shardLevelMetrics ?? []
}

/** Throws a CliError, USAGE, for a metric that is to be told and not to be told. */
function checkBoth({ options }: Invocation): void {
  const { enable = [], disable = [] } = options as Record<string, readonly MonitoringWord[]>
  const both = enable.find((it) => disable.includes(it))
  if (both === undefined) return
  throw new CliError('USAGE', `${both} is both in --enable and in --disable`)
}

/** In a line: all of them, or their names. */
export function metricsText(metrics: readonly ShardLevelMetric[]): string {
  const isAll = metrics.length === monitoringWords.length - 1
  return isAll ? 'all, of each shard' : metrics.join(', ')
}

function metricOption(flag: string, description: string): Option {
  return new Option(`${flag} <metric>`, `${description}; can be repeated`).argParser(
    (text: string, before: readonly MonitoringWord[] = []) => {
      const known = monitoringWords.find((it) => it.toLowerCase() === text.toLowerCase())
      if (known !== undefined) return [...before, known]
      throw new CliError(
        'USAGE',
        `${flag} is "${text}", wanted one of ${monitoringWords.join(', ')}`,
      )
    },
  )
}

export function addStreamMonitor(stream: Command, runner: Runner): void {
  defineCommand(stream, runner, {
    usage: 'monitor <stream>',
    summary: 'metrics of each shard',
    purpose:
      'Have /metrics of the broker tell metrics of each shard of a stream, or show\n' +
      `which it tells. Metrics:\n${monitoringWords.map((it) => `  ${it}`).join('\n')}`,
    examples: [
      'millrace stream monitor orders --enable ALL',
      'millrace stream monitor orders --disable IteratorAgeMilliseconds',
    ],
    settings: ['url', 'tokenFile'],
    options: [
      metricOption('--enable', 'a metric that is told from now on'),
      metricOption('--disable', 'a metric that is told no more'),
    ],
    action: monitor,
  })
}
