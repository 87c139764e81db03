/** `millrace consumer register|ls|info|rm`. */

import type { Command } from 'commander'
import type { Client } from '../../client/client.ts'
import type { Checkpoint, ConsumerDescription, LeaseState, Tag } from '../../wire/operations.ts'
import { withClient } from '../broker-client.ts'
import { confirm, yesOption } from '../confirm.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { setExamples } from '../help.ts'
import { table } from '../output.ts'
import { allShards } from '../stream-shards.ts'
import { tagOption } from '../tags.ts'
import { formatMillis, formatTime } from '../units.ts'

/** The names of a command line: of the stream, and of its consumer. */
function namesOf({ args }: Invocation): readonly [string, string] {
  return [args[0] as string, args[1] as string]
}

async function register(invocation: Invocation): Promise<undefined> {
  const [stream, name] = namesOf(invocation)
  const tags = invocation.options['tag'] as readonly Tag[] | undefined
  await withClient(invocation, async (client) => {
    const consumer = await client.registerStreamConsumer(stream, name, { tags })
    invocation.output.show({ streamName: stream, ...consumer }, () => {
      return `registered ${name} as a consumer of ${stream}`
    })
  })
}

async function list(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const stream = args[0] as string
  await withClient(invocation, async (client) => {
    const consumers = await allConsumers(client, stream)
    if (output.json) for (const it of consumers) output.row({ streamName: stream, ...it })
    else if (consumers.length === 0) output.note(`${stream} has no consumers`)
    else for (const line of table(consumers.map(consumerRow))) output.line(line)
  })
}

function consumerRow(it: ConsumerDescription): string[] {
  return [it.consumerName, it.consumerStatus, formatTime(it.consumerCreationTimestamp)]
}

async function allConsumers(client: Client, stream: string): Promise<ConsumerDescription[]> {
  const consumers: ConsumerDescription[] = []
  let nextToken: string | undefined
  do {
    const page = await client.listStreamConsumers(stream, { nextToken })
    consumers.push(...page.consumers)
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  return consumers
}

async function info(invocation: Invocation): Promise<undefined> {
  const [stream, name] = namesOf(invocation)
  const { output } = invocation
  await withClient(invocation, async (client) => {
    const consumer = await client.describeStreamConsumer(stream, name)
    const checkpoints = await client.getCheckpoints(stream, name)
    const leases = await client.listLeases(stream, name)
    const shards = await allShards(client, stream)
    const places = new Map(checkpoints.map((it) => [it.shardId, it]))
    const owners = new Map(leases.map((it) => [it.shardId, it]))
    const rows = shards.map(({ shardId }) => [
      shardId,
      placeText(places.get(shardId)),
      ownerText(owners.get(shardId)),
    ])
    output.show({ streamName: stream, ...consumer, checkpoints, leases }, () => [
      `${output.style('bold', name)}  ${consumer.consumerStatus}  of ${stream}`,
      `created    ${formatTime(consumer.consumerCreationTimestamp)}`,
      ...table(rows).map((line) => `  ${line}`),
    ])
  })
}

function placeText(checkpoint: Checkpoint | undefined): string {
  if (checkpoint === undefined) return 'no checkpoint'
  const next = checkpoint.nextSequenceNumber
  return next === undefined ? 'read to its end' : `goes on at ${next}`
}

function ownerText(lease: LeaseState | undefined): string {
  if (lease === undefined) return ''
  const { workerId, leaseCounter, expiresInMillis: millis } = lease
  const left = millis === 0 ? 'expired' : `for another ${formatMillis(millis)}`
  return `${workerId}, lease ${leaseCounter}, ${left}`
}

async function remove(invocation: Invocation): Promise<undefined> {
  const [stream, name] = namesOf(invocation)
  await confirm(invocation, `the consumer ${name} of ${stream} and its checkpoints`)
  await withClient(invocation, async (client) => {
    await client.deregisterStreamConsumer(stream, name)
    invocation.output.show({ streamName: stream, consumerName: name, deleted: true }, () => {
      return `deregistered ${name}, a consumer of ${stream}`
    })
  })
}

export function addConsumerCommands(program: Command, runner: Runner): void {
  const consumer = program.command('consumer').summary('register, list, describe, remove consumers')
  consumer.description(
    'Register, list, describe and remove the consumers of a stream: names under\n' +
      'which it is read, each with its own checkpoints and leases.',
  )
  consumer.helpOption('-h, --help', 'show this help').helpCommand(false)
  setExamples(consumer, [
    'millrace consumer register orders billing',
    'millrace consumer info orders billing',
  ])
  const settings = ['url', 'tokenFile']
  defineCommand(consumer, runner, {
    usage: 'register <stream> <consumer>',
    summary: 'register a consumer',
    purpose: 'Register a consumer of a stream.',
    examples: [
      'millrace consumer register orders billing',
      'millrace consumer register orders billing --tag team=shop',
    ],
    settings,
    options: [tagOption()],
    action: register,
  })
  defineCommand(consumer, runner, {
    usage: 'ls <stream>',
    summary: 'list the consumers of a stream',
    purpose: 'List the consumers of a stream with their state and time of registration.',
    examples: ['millrace consumer ls orders', 'millrace consumer ls orders --json'],
    settings,
    action: list,
  })
  defineCommand(consumer, runner, {
    usage: 'info <stream> <consumer>',
    summary: 'describe a consumer, its checkpoints and leases',
    purpose: 'Describe a consumer: where it goes on in each shard, and which worker has it.',
    examples: [
      'millrace consumer info orders billing',
      'millrace consumer info orders billing --json',
    ],
    settings,
    action: info,
  })
  defineCommand(consumer, runner, {
    usage: 'rm <stream> <consumer>',
    summary: 'remove a consumer',
    purpose:
      'Deregister a consumer. Its subscriptions end, its checkpoints and leases are\n' +
      'gone. Asks first, unless --yes is given.',
    examples: ['millrace consumer rm orders billing', 'millrace consumer rm orders billing --yes'],
    settings,
    options: [yesOption()],
    action: remove,
  })
}
