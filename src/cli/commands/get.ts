/** `millrace get`: records that are there, then the end. */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import { getRecordsRecordsMax } from '../../limits.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { CliOption } from '../help.ts'
import { mergeByArrival, type Pages } from '../merge.ts'
import { wholeNumber } from '../option-values.ts'
import { type From, parseFrom, parseResource, type Resource } from '../positions.ts'
import { type PrintedRecord, printRecord } from '../record-text.ts'

const usualLimit = 100

type IteratorRequest = Parameters<Client['getShardIterator']>[1]

async function get(invocation: Invocation): Promise<undefined> {
  const { args, options, output, signal } = invocation
  const resource = parseResource(args[0] as string)
  const from = startOf(resource, options['from'] as string | undefined)
  const limit = (options['limit'] as number | undefined) ?? defaultLimit(resource)
  await withClient(invocation, async (client) => {
    const shardIds = await shardsToRead(client, resource, from)
    const pages = shardIds.map((shardId) => pagesOf(client, resource.stream, shardId, from, limit))
    let printed = 0
    if (limit === 0) return
    for await (const record of mergeByArrival(pages)) {
      signal.throwIfAborted()
      printRecord(output, resource.stream, record, { raw: options['raw'] === true })
      printed += 1
      if (printed === limit || output.closed.aborted) return
    }
    if (printed === 0) output.note('there are no records')
  })
}

/** `orders@7` says where by itself. */
function startOf({ sequenceNumber }: Resource, from: string | undefined): From {
  if (sequenceNumber === undefined) return parseFrom(from ?? 'oldest', Date.now())
  if (from === undefined) return { kind: 'sequenceNumber', sequenceNumber }
  throw new CliError('USAGE', 'both @SEQUENCE and --from say where to start', {
    hint: 'Leave one of them out.',
  })
}

/** What names a record is asked for that record. */
function defaultLimit(resource: Resource): number {
  return resource.sequenceNumber === undefined ? usualLimit : 1
}

/** A sequence number belongs to one shard: it has to be named where there are several. */
async function shardsToRead(client: Client, resource: Resource, from: From): Promise<string[]> {
  if (resource.shardId !== undefined) return [resource.shardId]
  const shardIds: string[] = []
  let nextToken: string | undefined
  do {
    const request = nextToken === undefined ? {} : { nextToken }
    const page = await client.listShards(resource.stream, request)
    shardIds.push(...page.shards.map((it) => it.shardId))
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  if (from.kind !== 'sequenceNumber' || shardIds.length === 1) return shardIds
  throw new CliError(
    'USAGE',
    `${resource.stream} has ${shardIds.length} shards, and a sequence number belongs to one`,
    { hint: `Name the shard: ${resource.stream}/0@${from.sequenceNumber}` },
  )
}

/** How the protocol says where to begin. */
function iteratorRequest(shardId: string, from: From): IteratorRequest {
  if (from.kind === 'oldest') return { shardId, shardIteratorType: 'TRIM_HORIZON' }
  if (from.kind === 'latest') return { shardId, shardIteratorType: 'LATEST' }
  if (from.kind === 'time') {
    return { shardId, shardIteratorType: 'AT_TIMESTAMP', timestamp: from.millis }
  }
  const { sequenceNumber } = from
  return {
    shardId,
    shardIteratorType: 'AT_SEQUENCE_NUMBER',
    startingSequenceNumber: sequenceNumber,
  }
}

/** The pages of a shard, up to what is there now. */
function pagesOf(
  client: Client,
  stream: string,
  shardId: string,
  from: From,
  limit: number,
): Pages<PrintedRecord> {
  let iterator: string | undefined
  let atEnd = false
  return async () => {
    if (atEnd) return undefined
    iterator ??= await client.getShardIterator(stream, iteratorRequest(shardId, from))
    const answer = await client.getRecords(iterator, {
      limit: Math.min(limit, getRecordsRecordsMax),
    })
    iterator = answer.nextShardIterator
    // Only an empty page proves the end: other records may have arrived in the same millisecond.
    const isEmpty = answer.recordCount === 0 && answer.millisBehindLatest === 0
    atEnd = iterator === undefined || isEmpty
    return printable(shardId, answer.records)
  }
}

function* printable(
  shardId: string,
  records: Iterable<Omit<PrintedRecord, 'shardId'>>,
): Generator<PrintedRecord> {
  for (const { sequenceNumber, partitionKey, arrivalMillis, data } of records) {
    yield { shardId, sequenceNumber, partitionKey, arrivalMillis, data }
  }
}

export function addGet(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'get <stream>',
    summary: 'print records that are there',
    purpose:
      'Print records that are there, merged by time of arrival, then end.\n' +
      'A shard is named as stream/SHARD, a record as stream/SHARD@SEQUENCE.',
    examples: [
      'millrace get orders                        the oldest 100',
      'millrace get orders --from 10m --json      of the last ten minutes',
      'millrace get orders/2@17                   record 17 of shard 2',
    ],
    settings: ['url'],
    options: [
      new CliOption('--from <position>', 'latest, oldest, sequence, age, time', {
        fallback: 'oldest',
      }),
      wholeNumber(
        new CliOption('--limit <n>', 'at most so many', { fallback: String(usualLimit) }),
        0,
      ),
      new Option('--raw', 'the data alone, as it is'),
    ],
    action: get,
  })
}
