/** `millrace tail`: records as they arrive, from a place on. */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import type { Gap } from '../../client/shard-cursor.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { follow } from '../follow.ts'
import { CliOption } from '../help.ts'
import { wholeNumber } from '../option-values.ts'
import type { Output } from '../output.ts'
import { parseResource, startOf } from '../positions.ts'
import { printRecord, tellGap } from '../record-text.ts'

async function tail(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const resource = parseResource(args[0] as string)
  const from = startOf(resource, options['from'] as string | undefined, 'latest')
  const key = options['key'] as string | undefined
  const limit = (options['limit'] as number | undefined) ?? Number.POSITIVE_INFINITY
  const raw = options['raw'] === true
  const signal = AbortSignal.any([invocation.signal, output.closed])
  const work = async (client: Client): Promise<void> => {
    client.on('state', (state) => tellState(output, state))
    let printed = 0
    const onGap = (gap: Gap) => tellGap(output, gap)
    for await (const record of follow({ client, resource, from, signal, onGap })) {
      if (key !== undefined && record.partitionKey !== key) continue
      printRecord(output, resource.stream, record, { raw })
      printed += 1
      if (printed === limit) return
    }
    output.note('the stream is closed: there is nothing more to come')
  }
  try {
    await withClient(invocation, work, { isLasting: true })
  } catch (error) {
    // To be stopped is how a tail ends.
    if (error !== signal.reason) throw error
  }
}

function tellState(output: Output, state: string): void {
  if (state === 'reconnecting') output.warn('the connection was lost; connecting again')
  if (state === 'open') output.note('connected again')
}

export function addTail(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'tail <stream>',
    summary: 'print records as they arrive',
    purpose:
      'Print records as they arrive, all shards merged by arrival time, until Ctrl-C.\n' +
      'It goes on when the broker was away. A shard is named as stream/SHARD.',
    examples: [
      'millrace tail orders                      from now on',
      'millrace tail orders --from 10m --json    the last ten minutes, then on',
      'millrace tail orders/2 --from 17          of one shard',
    ],
    settings: ['url', 'tokenFile'],
    options: [
      new CliOption('--from <position>', 'latest, oldest, sequence, age, time', {
        fallback: 'latest',
      }),
      new Option('--key <key>', 'only records of this key'),
      wholeNumber(new CliOption('--limit <n>', 'end after so many'), 1),
      new Option('--raw', 'the data alone, as it is'),
    ],
    action: tail,
  })
}
