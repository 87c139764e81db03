/** `millrace get`: records that are there, then the end. */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import type { Gap } from '../../client/shard-cursor.ts'
import { getRecordsRecordsMax } from '../../limits.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliOption } from '../help.ts'
import { mergeByArrival } from '../merge.ts'
import { wholeNumber } from '../option-values.ts'
import { type From, parseResource, type Resource, startOf } from '../positions.ts'
import { type PrintedRecord, printRecord, tellGap } from '../record-text.ts'
import { ShardPages } from '../shard-pages.ts'
import { shardsToRead } from '../stream-shards.ts'

const usualLimit = 100

async function get(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const resource = parseResource(args[0] as string)
  const from = startOf(resource, options['from'] as string | undefined, 'oldest')
  const limit = (options['limit'] as number | undefined) ?? defaultLimit(resource)
  const raw = options['raw'] === true
  const signal = AbortSignal.any([invocation.signal, output.closed])
  await withClient(invocation, async (client) => {
    let printed = 0
    for await (const record of present({ client, resource, from, limit, signal, output })) {
      printRecord(output, resource.stream, record, { raw })
      printed += 1
      if (printed === limit) return
    }
    if (printed === 0) output.note('there are no records')
  })
}

/** What names a record is asked for that record. */
function defaultLimit(resource: Resource): number {
  return resource.sequenceNumber === undefined ? usualLimit : 1
}

interface PresentOptions extends Pick<Invocation, 'signal' | 'output'> {
  readonly client: Client
  readonly resource: Resource
  readonly from: From
  readonly limit: number
}

/** The records that are there now, merged by time of arrival. */
async function* present(options: PresentOptions): AsyncGenerator<PrintedRecord> {
  const { client, resource, from, limit, signal, output } = options
  const { stream } = resource
  const recordsMax = Math.min(limit, getRecordsRecordsMax)
  const onGap = (gap: Gap) => tellGap(output, gap)
  const shards = await shardsToRead(client, resource, from)
  const pages = shards.map((shard) =>
    new ShardPages({ client, stream, shard, from, recordsMax, signal, onGap }).pagesUntil(
      Date.now(),
    ),
  )
  yield* mergeByArrival(pages)
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
    settings: ['url', 'tokenFile'],
    options: [
      new CliOption('--from <position>', 'latest, oldest, sequence, age, time', {
        fallback: 'oldest',
      }),
      wholeNumber(
        new CliOption('--limit <n>', 'at most so many', { fallback: String(usualLimit) }),
        1,
      ),
      new Option('--raw', 'the data alone, as it is'),
    ],
    action: get,
  })
}
