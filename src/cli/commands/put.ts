/** `millrace put`: a record from the command line, or a record for each line. */

import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { type Command, Option } from 'commander'
import type { Client } from '../../client/client.ts'
import { MillraceError } from '../../errors.ts'
import { recordBytesMaxHighest } from '../../limits.ts'
import { durabilities } from '../../wire/operations.ts'
import type { Durability, RecordInput } from '../../wire/verbs.ts'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { CliOption } from '../help.ts'
import { LinePutter } from '../line-putter.ts'
import { linesOf } from '../lines.ts'
import { putPatiently } from '../patient-put.ts'
import { splitKey } from '../split-key.ts'

/** Enough to spread records over any number of shards, and short to look at. */
const randomKeyCharacters = 8

interface PutSettings {
  readonly stream: string
  readonly key: string | undefined
  readonly separator: string | undefined
  readonly durability: Durability | undefined
  /** Whether the stream takes no record without a key. */
  readonly needsKeys: boolean
}

async function put(invocation: Invocation): Promise<undefined> {
  const { args, options } = invocation
  const [stream, data] = args as [string, string | undefined]
  const given = {
    stream,
    key: options['key'] as string | undefined,
    separator: options['keySeparator'] as string | undefined,
    durability: options['durability'] as Durability | undefined,
  }
  exclusive('--key', given.key, '--key-separator', given.separator)
  exclusive('an argument', data, '--file', options['file'])
  const bytes = data === undefined ? undefined : Buffer.from(data)
  if (bytes !== undefined || options['whole'] === true) {
    const whole = bytes ?? (await readWhole(invocation))
    await withClient(invocation, async (client) => {
      const settings = await lookedAt(invocation, client, given)
      await putOne(invocation, client, settings, whole)
    })
  } else {
    const isLasting = true
    const putAll = async (client: Client) => {
      // Else the first of a million lines would be refused as the last one is.
      await putLines(invocation, client, await lookedAt(invocation, client, given))
    }
    await withClient(invocation, putAll, { isLasting })
  }
}

function exclusive(name: string, value: unknown, otherName: string, otherValue: unknown): void {
  if (value === undefined || otherValue === undefined) return
  throw new CliError('USAGE', `${name} and ${otherName} exclude each other`, {
    hint: 'Leave one of them out.',
  })
}

/**
 * A record of `bytes`. Without a key of its own the broker spreads it, or where a stream asks for
 * one, a random key does.
 */
function recordOf(settings: PutSettings, bytes: Uint8Array, place: string): RecordInput {
  const { key, separator, needsKeys } = settings
  if (separator !== undefined) return splitKey(bytes, separator, place)
  const random = needsKeys ? randomUUID().slice(0, randomKeyCharacters) : undefined
  return { key: key ?? random, data: bytes }
}

/** Looks at the stream: its mode says whether records can do without a key. */
async function lookedAt(
  { signal }: Invocation,
  client: Client,
  settings: Omit<PutSettings, 'needsKeys'>,
): Promise<PutSettings> {
  const { streamMode } = await client.describeStreamSummary(settings.stream, { signal })
  return { ...settings, needsKeys: streamMode === 'PROVISIONED' }
}

/** What the client takes for misuse is here what a user has typed. */
async function checked<Answer>(place: string, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof RangeError ? wrongRecord(place, error) : error
  }
}

function wrongRecord(place: string, cause: RangeError): MillraceError {
  return new MillraceError('INVALID_ARGUMENT', `${place}: ${cause.message}`, { cause })
}

async function putOne(
  { output, signal }: Invocation,
  client: Client,
  settings: PutSettings,
  bytes: Uint8Array,
): Promise<void> {
  const { stream, durability } = settings
  const record = recordOf(settings, bytes, 'the record')
  const once = () => client.put(stream, record, { durability, signal })
  const answer = await checked('the record', () =>
    putPatiently(once, (line) => output.warn(line), signal),
  )
  output.show({ stream, ...answer }, () => {
    return `${answer.shardId}@${answer.sequenceNumber}  durability ${answer.durability}`
  })
}

/** The file that was named, else the standard input; destroyed when the run is stopped. */
function openSource({ options, stdin, signal, output }: Invocation): Readable {
  const file = options['file'] as string | undefined
  if (file === undefined && stdin.isTTY === true) {
    output.note('type a record a line; Ctrl-D ends')
  }
  return addAbortSignal(signal, file === undefined ? stdin : createReadStream(file))
}

/** The reason of the run's signal where it was stopped, else what is wrong with the source. */
function sourceError(error: unknown, { options, signal }: Invocation): unknown {
  if (signal.aborted) return signal.reason
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof CliError || code === undefined) return error
  const name = (options['file'] as string | undefined) ?? 'the standard input'
  return new CliError('FILE_UNREADABLE', `${name} cannot be read: ${code}`, { cause: error })
}

async function readWhole(invocation: Invocation): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of openSource(invocation)) {
      parts.push(part as Uint8Array)
      bytes += (part as Uint8Array).length
      if (bytes > recordBytesMaxHighest) {
        throw new CliError('USAGE', `the record has more than ${recordBytesMaxHighest} bytes`)
      }
    }
  } catch (error) {
    throw sourceError(error, invocation)
  }
  return Buffer.concat(parts, bytes)
}

async function putLines(
  invocation: Invocation,
  client: Client,
  settings: PutSettings,
): Promise<void> {
  const { stream, durability } = settings
  const producer = client.producer(stream, { durability })
  const putter = new LinePutter(invocation.output, stream, producer)
  let stopped: unknown
  try {
    let number = 0
    for await (const line of linesOf(openSource(invocation), recordBytesMaxHighest)) {
      number += 1
      const place = `line ${number}`
      const record = recordOf(settings, line, place)
      await checked(place, () => putter.put(record))
    }
  } catch (error) {
    stopped = sourceError(error, invocation)
  }
  // What was taken is stored also where the rest could not be read.
  await putter.end()
  if (stopped !== undefined) throw stopped
}

export function addPut(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'put <stream> [data]',
    summary: 'put records',
    purpose:
      'Put the argument as a record; without one, each line of the standard input.\n' +
      'Records of one key keep their order. Without a key they are spread evenly:\n' +
      'with none at all, or, where the mode is PROVISIONED, with random ones.',
    examples: [
      'millrace put orders --key customer-7 hello',
      'millrace put orders --key-separator : < orders.txt',
      'millrace put pictures --key cat --whole --file cat.png',
    ],
    settings: ['url', 'tokenFile'],
    options: [
      new Option('--key <key>', 'the partition key'),
      new Option('--key-separator <text>', 'what ends the key in each record'),
      new Option('--file <file>', 'instead of the standard input'),
      new Option('--whole', 'all of the input as one record'),
      new CliOption('--durability <mode>', 'what the answer means', { fallback: 'disk' }).choices(
        durabilities,
      ),
    ],
    action: put,
  })
}
