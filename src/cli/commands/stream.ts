/**
 * `millrace stream create|ls|info|rm`; what changes a stream is in reshard.ts, stream-settings.ts,
 * stream-encryption.ts and stream-monitor.ts.
 */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import { MillraceError } from '../../errors.ts'
import { shardCountMax, tagsMax } from '../../limits.ts'
import type { ShardDescription, StreamSummary } from '../../wire/operations.ts'
import { withClient } from '../broker-client.ts'
import { confirm, yesOption } from '../confirm.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { hashSpaceText } from '../hash-space.ts'
import { CliOption, setExamples } from '../help.ts'
import { wholeNumber } from '../option-values.ts'
import { table } from '../output.ts'
import { parseMode } from '../stream-mode.ts'
import { allShards } from '../stream-shards.ts'
import { tagOption, tagText } from '../tags.ts'
import { formatBytes, formatCount, formatTime, plural } from '../units.ts'
import { addReshardCommands } from './reshard.ts'
import { addStreamEncryption } from './stream-encryption.ts'
import { addStreamMonitor, metricsText } from './stream-monitor.ts'
import { addSettingCommands, parseRecordSize, retentionText } from './stream-settings.ts'

async function create(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const name = args[0] as string
  const { shards: shardCount, mode, recordBytesMax, tag: tags } = options
  const request = { shardCount, streamMode: mode, recordBytesMax, tags }
  await withClient(invocation, async (client) => {
    await client.createStream(name, request as Parameters<Client['createStream']>[1])
    const summary = await client.describeStreamSummary(name)
    output.show(summary, () => {
      return `created ${name} with ${plural(summary.openShardCount, 'shard')}`
    })
  })
}

async function list(invocation: Invocation): Promise<undefined> {
  const { output } = invocation
  await withClient(invocation, async (client) => {
    const summaries = await allStreams(client)
    if (output.json) for (const it of summaries) output.row(it)
    else if (summaries.length === 0) output.note('there are no streams')
    else for (const line of table(summaries.map(summaryRow))) output.line(line)
  })
}

function summaryRow(it: StreamSummary): string[] {
  return [it.streamName, it.streamStatus, it.streamMode, formatTime(it.streamCreationTimestamp)]
}

async function allStreams(client: Client): Promise<StreamSummary[]> {
  const summaries: StreamSummary[] = []
  let nextToken: string | undefined
  do {
    const page = await client.listStreams(nextToken === undefined ? {} : { nextToken })
    summaries.push(...page.streamSummaries)
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  return summaries
}

async function info(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const name = args[0] as string
  await withClient(invocation, async (client) => {
    const { openShardCount, ...summary } = await client.describeStreamSummary(name)
    const shards = await allShards(client, name)
    const { tags } = await client.listTagsForStream(name, { limit: tagsMax })
    const empty = await emptyOnes(client, name, shards)
    output.show({ ...summary, openShardCount, shards, tags }, () => [
      `${output.style('bold', name)}  ${summary.streamStatus}  ${summary.streamMode}`,
      `created    ${formatTime(summary.streamCreationTimestamp)}`,
      `retention  ${retentionText(summary)}`,
      `records    at most ${formatBytes(summary.recordBytesMax)} of key and data`,
      ...(summary.shardLevelMetrics === undefined
        ? []
        : [`metrics    ${metricsText(summary.shardLevelMetrics)}`]),
      ...(summary.keyId === undefined ? [] : [`encrypted  with key ${summary.keyId}`]),
      ...(tags.length === 0 ? [] : [`tags       ${tags.map(tagText).join(', ')}`]),
      `shards     ${formatCount(openShardCount)} open of ${formatCount(shards.length)}`,
      ...table(shards.map((it) => shardRow(it, empty))).map((line) => `  ${line}`),
    ])
  })
}

/**
 * Closed shards that have no record. By their numbers they look like those of one record: a shard
 * has one at least. One whose reads are at their limit is taken for what it looks like.
 */
async function emptyOnes(
  client: Client,
  stream: string,
  shards: readonly ShardDescription[],
): Promise<Set<string>> {
  const empty = new Set<string>()
  for (const { shardId, startingSequenceNumber, endingSequenceNumber } of shards) {
    if (endingSequenceNumber !== startingSequenceNumber) continue
    try {
      const from = { shardId, shardIteratorType: 'TRIM_HORIZON' } as const
      const iterator = await client.getShardIterator(stream, from)
      if ((await client.getRecords(iterator, { limit: 1 })).recordCount === 0) empty.add(shardId)
    } catch (error) {
      if (!(error instanceof MillraceError && error.code === 'THROUGHPUT_EXCEEDED')) throw error
    }
  }
  return empty
}

function shardRow(it: ShardDescription, empty: ReadonlySet<string>): string[] {
  const { endingSequenceNumber } = it
  if (empty.has(it.shardId)) {
    return [it.shardId, hashSpaceText(it.startingHashKey, it.endingHashKey), 'closed, empty']
  }
  return [
    it.shardId,
    hashSpaceText(it.startingHashKey, it.endingHashKey),
    endingSequenceNumber === undefined
      ? `open, from ${it.startingSequenceNumber}`
      : `closed, ${it.startingSequenceNumber} to ${endingSequenceNumber}`,
  ]
}

async function remove(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const name = args[0] as string
  const enforceConsumerDeletion = options['withConsumers'] === true
  const consumers = enforceConsumerDeletion ? ', with its consumers' : ''
  await confirm(invocation, `the stream ${name} and all of its records${consumers}`)
  await withClient(invocation, async (client) => {
    await client.deleteStream(name, { enforceConsumerDeletion })
    output.show({ stream: name, deleted: true }, () => `deleted ${name}`)
  })
}

export function addStreamCommands(program: Command, runner: Runner): void {
  const stream = program
    .command('stream')
    .summary('create, list, describe, reshard, set, delete streams')
  stream.description('Create, list, describe and delete streams, and change how they are kept.')
  stream.helpOption('-h, --help', 'show this help').helpCommand(false)
  setExamples(stream, ['millrace stream create orders --shards 8', 'millrace stream info orders'])
  const settings = ['url', 'tokenFile']
  defineCommand(stream, runner, {
    usage: 'create <stream>',
    summary: 'create a stream',
    purpose: 'Create a stream. Records are spread over its shards by their partition key.',
    examples: [
      'millrace stream create orders',
      'millrace stream create orders --shards 8 --tag team=shop',
    ],
    settings,
    options: [
      wholeNumber(new CliOption('--shards <n>', 'shards', { fallback: '4' }), 1, shardCountMax),
      new CliOption('--mode <mode>', 'provisioned: with limits of each shard', {
        fallback: 'on-demand',
      }).argParser((text: string) => parseMode('--mode', text)),
      new CliOption('--record-bytes-max <size>', 'key and data', {
        fallback: '1 MiB',
      }).argParser((text: string) => parseRecordSize('--record-bytes-max', text)),
      tagOption(),
    ],
    action: create,
  })
  defineCommand(stream, runner, {
    usage: 'ls',
    summary: 'list the streams',
    purpose: 'List the streams with their state, mode and time of creation.',
    examples: ['millrace stream ls', 'millrace stream ls --json'],
    settings,
    action: list,
  })
  defineCommand(stream, runner, {
    usage: 'info <stream>',
    summary: 'describe a stream and its shards',
    purpose: 'Describe a stream, its shards and its tags.',
    examples: ['millrace stream info orders', 'millrace stream info orders --json'],
    settings,
    action: info,
  })
  addReshardCommands(stream, runner)
  addStreamMonitor(stream, runner)
  addStreamEncryption(stream, runner)
  addSettingCommands(stream, runner)
  defineCommand(stream, runner, {
    usage: 'rm <stream>',
    summary: 'delete a stream',
    purpose:
      'Delete a stream and all of its records. Asks first, unless --yes is given.\n' +
      'One that has registered consumers is deleted with them, or not at all.',
    examples: ['millrace stream rm orders', 'millrace stream rm orders --with-consumers --yes'],
    settings,
    options: [new Option('--with-consumers', 'delete its consumers, too'), yesOption()],
    action: remove,
  })
}
