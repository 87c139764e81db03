/** `millrace stream split|merge|scale`. */

import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import { shardCountMax } from '../../limits.ts'
import type { ShardMove } from '../../wire/operations.ts'
import type { ScalingDescription } from '../../wire/reshard-verbs.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { rangeText } from '../hash-space.ts'
import { CliOption } from '../help.ts'
import { parseWholeNumber } from '../option-values.ts'
import { type Output, table } from '../output.ts'
import { heatLines, scalingLines } from '../shard-heat.ts'
import { withProgress } from '../slow-work.ts'
import { allShards } from '../stream-shards.ts'
import { formatCount, plural } from '../units.ts'
import { whenActive } from '../wait-active.ts'

/** Shards that one line names. */
const shardsNamedMax = 3
/** It takes as long as there are shards to be closed. */
const patience = { intervalMillis: 50, millisMax: Number.POSITIVE_INFINITY }

/** What a request that changes shards answers. */
interface Changed {
  readonly moves: readonly ShardMove[]
  readonly currentShardCount?: number
  readonly targetShardCount?: number
}

type Change = (client: Client, stream: string, dryRun: boolean) => Promise<Changed>

async function split(invocation: Invocation): Promise<undefined> {
  const [, shardToSplit = ''] = invocation.args
  const newStartingHashKey = invocation.options['at'] as bigint | undefined
  await change(invocation, async (client, stream, dryRun) => ({
    moves: await client.splitShard(stream, { shardToSplit, newStartingHashKey, dryRun }),
  }))
}

async function merge(invocation: Invocation): Promise<undefined> {
  const [, shardToMerge = '', adjacentShardToMerge = ''] = invocation.args
  await change(invocation, async (client, stream, dryRun) => ({
    moves: await client.mergeShards(stream, { shardToMerge, adjacentShardToMerge, dryRun }),
  }))
}

async function scale(invocation: Invocation): Promise<undefined> {
  const [, count] = invocation.args
  if (count === undefined) {
    await showScaling(invocation)
    return
  }
  const targetShardCount = parseWholeNumber('the number of shards', count, 1, shardCountMax)
  await change(invocation, (client, stream, dryRun) =>
    client.updateShardCount(stream, { targetShardCount, dryRun }),
  )
}

/** What a stream would do by itself. */
async function showScaling(invocation: Invocation): Promise<void> {
  const { args, options, output } = invocation
  const stream = args[0] as string
  if (options['dryRun'] !== true) {
    throw new CliError('USAGE', 'the number of shards is missing', {
      hint: `millrace stream scale ${stream} --dry-run shows what the stream would do by itself.`,
    })
  }
  await withClient(invocation, async (client) => {
    const described = await client.describeScaling(stream)
    output.show({ stream, dryRun: true, ...described }, () =>
      scalingLines(output, stream, described),
    )
  })
}

/** Says what would move, or has it done and waits until it is. */
async function change(invocation: Invocation, ask: Change): Promise<void> {
  const { args, options, output, signal } = invocation
  const stream = args[0] as string
  const dryRun = options['dryRun'] === true
  await withClient(invocation, async (client) => {
    const changed = await ask(client, stream, dryRun)
    if (dryRun) {
      const described = await client.describeScaling(stream)
      output.show({ stream, dryRun, ...changed, shards: described.shards }, () =>
        dryLines(output, stream, changed, described),
      )
      return
    }
    const openShardCount = await untilDone(client, stream, output, signal)
    const moves = await madeBy(changed.moves, client, stream)
    output.show({ stream, dryRun, ...changed, moves, openShardCount }, () =>
      moves.length === 0
        ? nothingMoves(stream)
        : [
            `${stream} has ${plural(openShardCount, 'open shard')}, and these are new:`,
            ...table([
              ['shard', 'hash keys', 'from'],
              ...moves.map((it) => [it.shardId ?? '', shareOf(it), shardNames(it.shardIds)]),
            ]),
          ],
    )
  })
}

/** The moves, with the shards that have come of them. */
async function madeBy(
  moves: readonly ShardMove[],
  client: Client,
  stream: string,
): Promise<(ShardMove & { readonly shardId?: string | undefined })[]> {
  const shards = moves.length === 0 ? [] : await allShards(client, stream)
  const open = shards.filter((it) => it.endingSequenceNumber === undefined)
  const idOf = new Map(open.map((it) => [it.startingHashKey, it.shardId]))
  return moves.map((it) => ({ shardId: idOf.get(it.startingHashKey), ...it }))
}

/** Which keys would move, and how hot all shards are now: those that keep their keys, too. */
function dryLines(
  output: Output,
  stream: string,
  { moves }: Changed,
  described: ScalingDescription,
): string[] {
  const heat = ['What comes into its shards now:', ...heatLines(output, described)]
  if (moves.length === 0) return [nothingMoves(stream), ...heat]
  return [
    `${stream} would have these new shards:`,
    ...table([
      ['hash keys', 'first key', 'from'],
      ...moves.map((it) => [shareOf(it), String(it.startingHashKey), shardNames(it.shardIds)]),
    ]),
    ...heat,
  ]
}

function nothingMoves(stream: string): string {
  return `${stream} has these shards already: nothing moves`
}

/** Answers how many open shards there are when it is done. */
async function untilDone(
  client: Client,
  stream: string,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  let open: number | undefined
  const describe = async () => {
    const summary = await client.describeStreamSummary(stream)
    open = summary.openShardCount
    return summary
  }
  const what = () => `${stream} is UPDATING, with ${plural(open ?? 0, 'open shard')}`
  const done = () => whenActive(describe, signal, patience)
  return (await withProgress(output, what, done)).openShardCount
}

function shareOf({ startingHashKey, endingHashKey }: ShardMove): string {
  return rangeText(startingHashKey, endingHashKey)
}

function shardNames(shardIds: readonly string[]): string {
  const named = shardIds.slice(0, shardsNamedMax).join(', ')
  const more = shardIds.length - shardsNamedMax
  return more > 0 ? `${named} and ${formatCount(more)} more` : named
}

const hashKeyMax = 2n ** 128n - 1n

function atOption(): Option {
  const option = new CliOption('--at <key>', 'first hash key of the upper half', {
    fallback: 'the middle',
  })
  return option.argParser((text: string) => {
    if (/^\d{1,39}$/.test(text) && BigInt(text) <= hashKeyMax) return BigInt(text)
    throw new CliError('USAGE', `--at is "${text}", wanted a hash key, 0 to 2^128-1`, {
      hint: 'millrace stream info STREAM --json shows the hash keys of each shard.',
    })
  })
}

function dryRunOption(): Option {
  const text = 'show which keys would move and what comes into each shard, and do nothing'
  return new Option('--dry-run', text)
}

export function addReshardCommands(stream: Command, runner: Runner): void {
  const settings = ['url', 'tokenFile']
  const ofAll =
    'Puts and reads go on meanwhile, and the records of a key stay in their order.\n' +
    'The stream has to be PROVISIONED. Waits until it is done.'
  defineCommand(stream, runner, {
    usage: 'split <stream> <shard>',
    summary: 'split a shard in two',
    purpose: `Split a shard: two new ones take over its keys. What it has stays in it.\n${ofAll}`,
    examples: ['millrace stream split orders 0', 'millrace stream split orders 0 --dry-run'],
    settings,
    options: [atOption(), dryRunOption()],
    action: split,
  })
  defineCommand(stream, runner, {
    usage: 'merge <stream> <lower> <upper>',
    summary: 'merge two neighbouring shards into one',
    purpose: `Merge two shards whose keys are neighbours: a new one takes over.\n${ofAll}`,
    examples: ['millrace stream merge orders 1 2', 'millrace stream merge orders 1 2 --dry-run'],
    settings,
    options: [dryRunOption()],
    action: merge,
  })
  defineCommand(stream, runner, {
    usage: 'scale <stream> [count]',
    summary: 'change the number of shards',
    purpose:
      'Split and merge until there are so many shards with equal shares of the keys:\n' +
      `half as many as now at least, twice as many at most.\n${ofAll}\n` +
      'With --dry-run alone: what comes into each shard, and which ones an ON_DEMAND\n' +
      'stream would split or merge by itself now, and why. A stream is scaled 10 times\n' +
      'in 24 hours, unless the broker has another limits.shardCountUpdatesPerDay.',
    examples: [
      'millrace stream scale orders 8',
      'millrace stream scale orders 8 --dry-run',
      'millrace stream scale orders --dry-run',
    ],
    settings,
    options: [dryRunOption()],
    action: scale,
  })
}
