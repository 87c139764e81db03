/** `millrace stream retention|record-size|mode|tag|limits`. */

import type { Command } from 'commander'
import type { Client } from '../../client/client.ts'
import {
  recordBytesMaxHighest,
  recordBytesMaxLowest,
  retentionBytesLowest,
  tagsMax,
} from '../../limits.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { CliOption } from '../help.ts'
import { parseMode } from '../stream-mode.ts'
import { parseTag, tagText } from '../tags.ts'
import { formatBytes, formatCount, parseAge, parseBytes, plural } from '../units.ts'
import { whenActive } from '../wait-active.ts'

interface Kept {
  readonly retentionPeriodHours: number
  readonly retentionBytes?: number | undefined
}

const millisPerHour = 3_600_000
const hoursPerDay = 24

/** `24 hours`, `7 days, at most 10 GiB`. */
export function retentionText({ retentionPeriodHours: hours, retentionBytes }: Kept): string {
  const days = hours / hoursPerDay
  const isDays = Number.isInteger(days) && days > 1
  const time = isDays ? plural(days, 'day') : plural(hours, 'hour')
  return retentionBytes === undefined ? time : `${time}, at most ${formatBytes(retentionBytes)}`
}

/** Hours of `36`, `36h` or `7d`. */
function parseHours(text: string): number {
  const millis = parseAge(/^\d+$/.test(text) ? `${text}h` : text)
  const hours = (millis ?? Number.NaN) / millisPerHour
  if (Number.isInteger(hours)) return hours
  throw new CliError('USAGE', `the retention period is "${text}", wanted hours (36) or days (7d)`)
}

/** Undefined for `none`. */
function parseBytesOrNone(text: string): number | undefined {
  if (text === 'none') return undefined
  const bytes = parseBytes(text)
  if (bytes !== undefined && bytes >= retentionBytesLowest) return bytes
  const least = formatBytes(retentionBytesLowest)
  throw new CliError('USAGE', `--bytes is "${text}", wanted a size such as 10GiB, ${least} or more`)
}

async function setRetention(client: Client, name: string, hours: number): Promise<void> {
  const { retentionPeriodHours: now } = await client.describeStreamSummary(name)
  if (hours >= now) await client.increaseStreamRetentionPeriod(name, hours)
  else await client.decreaseStreamRetentionPeriod(name, hours)
}

async function retention(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const name = args[0] as string
  const hours = args[1] === undefined ? undefined : parseHours(args[1])
  const bytesText = options['bytes'] as string | undefined
  const bytes = bytesText === undefined ? undefined : parseBytesOrNone(bytesText)
  await withClient(invocation, async (client) => {
    const active = () => whenActive(() => client.describeStreamSummary(name), invocation.signal)
    if (hours !== undefined) await setRetention(client, name, hours)
    if (hours !== undefined) await active()
    if (bytesText !== undefined) await client.updateStreamRetentionBytes(name, bytes)
    const isAsked = hours === undefined && bytesText === undefined
    const { retentionPeriodHours, retentionBytes } = isAsked
      ? await client.describeStreamSummary(name)
      : await active()
    const kept = { retentionPeriodHours, retentionBytes }
    output.show({ streamName: name, ...kept }, () => `${name} keeps records ${keptText(kept)}`)
  })
}

function keptText(kept: Kept): string {
  return `for ${retentionText(kept)}`
}

/** Bytes of a text such as `2MiB`. Throws a CliError, USAGE, that calls it `name`. */
export function parseRecordSize(name: string, text: string): number {
  const bytes = parseBytes(text) ?? Number.NaN
  if (bytes >= recordBytesMaxLowest && bytes <= recordBytesMaxHighest) return bytes
  const range = `${formatBytes(recordBytesMaxLowest)} to ${formatBytes(recordBytesMaxHighest)}`
  throw new CliError('USAGE', `${name} is "${text}", wanted ${range}, such as 2MiB`)
}

async function recordSize(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const name = args[0] as string
  const wanted = args[1] === undefined ? undefined : parseRecordSize('the record size', args[1])
  await withClient(invocation, async (client) => {
    const describe = () => client.describeStreamSummary(name)
    if (wanted !== undefined) await client.updateMaxRecordSize(name, wanted)
    const { recordBytesMax } = await (wanted === undefined
      ? describe()
      : whenActive(describe, invocation.signal))
    output.show({ streamName: name, recordBytesMax }, () => {
      return `records of ${name} have at most ${formatBytes(recordBytesMax)} of key and data`
    })
  })
}

async function mode(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const name = args[0] as string
  const wanted = args[1] === undefined ? undefined : parseMode('the mode', args[1])
  await withClient(invocation, async (client) => {
    const describe = () => client.describeStreamSummary(name)
    if (wanted !== undefined) await client.updateStreamMode(name, wanted)
    const { streamMode } = await (wanted === undefined
      ? describe()
      : whenActive(describe, invocation.signal))
    output.show({ streamName: name, streamMode }, () => `${name} is ${streamMode}`)
  })
}

async function tag(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const name = args[0] as string
  const texts = (args[1] ?? []) as unknown as readonly string[]
  const set = texts.map((text) => parseTag(text, 'the tag'))
  const removed = (options['remove'] ?? []) as readonly string[]
  const both = set.find((it) => removed.includes(it.key))
  if (both !== undefined) {
    throw new CliError('USAGE', `the tag ${both.key} is to be set and to be removed`)
  }
  await withClient(invocation, async (client) => {
    if (set.length > 0) await client.addTagsToStream(name, set)
    if (removed.length > 0) await client.removeTagsFromStream(name, removed)
    const { tags } = await client.listTagsForStream(name, { limit: tagsMax })
    if (output.json) output.row({ streamName: name, tags })
    else if (tags.length === 0) output.note(`${name} has no tags`)
    else for (const it of tags) output.line(tagText(it))
  })
}

async function limits(invocation: Invocation): Promise<undefined> {
  const { output } = invocation
  await withClient(invocation, async (client) => {
    const it = await client.describeLimits()
    const streams = plural(it.onDemandStreamCount, 'stream')
    output.show(it, () => [
      `shards   ${formatCount(it.openShardCount)} open, at most ${formatCount(it.shardLimit)}`,
      `streams  ${streams} ON_DEMAND, at most ${formatCount(it.onDemandStreamCountLimit)}`,
      'closed shards count until their records have expired; a shorter retention frees them',
    ])
  })
}

export function addSettingCommands(stream: Command, runner: Runner): void {
  const settings = ['url', 'tokenFile']
  defineCommand(stream, runner, {
    usage: 'retention <stream> [hours]',
    summary: 'show or set how long and how much is kept',
    purpose:
      'Show for how long a stream keeps its records, or set it: 24 hours to 365 days.\n' +
      'A shorter time hides what is older at once; a longer one brings nothing back.\n' +
      'With --bytes the oldest records go beyond a size, too, of all shards together.',
    examples: [
      'millrace stream retention orders',
      'millrace stream retention orders 7d',
      'millrace stream retention orders 36 --bytes 10GiB',
      'millrace stream retention orders --bytes none',
    ],
    settings,
    options: [new CliOption('--bytes <size>', 'bytes that are kept, or none')],
    action: retention,
  })
  defineCommand(stream, runner, {
    usage: 'record-size <stream> [size]',
    summary: 'show or set how large records can be',
    purpose: 'Show or set how many bytes key and data of a record can have: 1 to 10 MiB.',
    examples: ['millrace stream record-size orders', 'millrace stream record-size orders 4MiB'],
    settings,
    action: recordSize,
  })
  defineCommand(stream, runner, {
    usage: 'mode <stream> [mode]',
    summary: 'show or set how a stream is limited',
    purpose:
      'Show the mode of a stream, or set it: on-demand is limited by the machine alone,\n' +
      'provisioned has the limits of Kinesis for each shard. Twice in 24 hours, at most.',
    examples: ['millrace stream mode orders', 'millrace stream mode orders provisioned'],
    settings,
    action: mode,
  })
  defineCommand(stream, runner, {
    usage: 'tag <stream> [tags...]',
    summary: 'show, set and remove tags',
    purpose: 'Set tags of a stream, remove some, and show those that it has then.',
    examples: [
      'millrace stream tag orders',
      'millrace stream tag orders team=shop stage=test',
      'millrace stream tag orders --remove stage',
    ],
    settings,
    options: [
      new CliOption('--remove <key>', 'a tag to remove; can be repeated').argParser(
        (key: string, before: readonly string[] = []) => [...before, key],
      ),
    ],
    action: tag,
  })
  defineCommand(stream, runner, {
    usage: 'limits',
    summary: 'show what the broker can have of streams',
    purpose: 'Show how many shards and streams the broker has, and how many it can have.',
    examples: ['millrace stream limits'],
    settings,
    action: limits,
  })
}
