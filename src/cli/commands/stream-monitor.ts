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
  if (disable !== undefined) {
    await client.disableEnhancedMonitoring(streamName, disable)
    await settled()
  }
  if (enable !== undefined) await client.enableEnhancedMonitoring(streamName, enable)
  return (await settled()).shardLevelMetrics ?? []
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
      `which it tells. Metrics: ${monitoringWords.join(', ')}.`,
    examples: [
      'millrace stream monitor orders --enable ALL',
      'millrace stream monitor orders --disable IteratorAgeMilliseconds',
    ],
    settings: ['url'],
    options: [
      metricOption('--enable', 'a metric that is told from now on'),
      metricOption('--disable', 'a metric that is told no more'),
    ],
    action: monitor,
  })
}
