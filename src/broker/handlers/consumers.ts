/** Registering, describing, listing and deregistering the consumers of a stream. */

import { MillraceError } from '../../errors.ts'
import { listConsumersPageDefault } from '../../limits.ts'
import type { Consumer } from '../../stream/consumer-table.ts'
import type { Stream } from '../../stream/stream.ts'
import type {
  deregisterStreamConsumer,
  describeStreamConsumer,
  listStreamConsumers,
  registerStreamConsumer,
} from '../../wire/consumer-operations.ts'
import type { AnswerOf, ConsumerDescription, RequestOf } from '../../wire/operations.ts'
import { type Caller, requireRight } from '../caller.ts'
import type { BrokerContext } from '../context.ts'
import { decodeNextToken, encodeNextToken } from '../next-token.ts'
import { consumerRights } from '../operation-rights.ts'

const tokenKind = 'ListStreamConsumers'

function describeConsumer(consumer: Consumer): ConsumerDescription {
  return {
    consumerName: consumer.name,
    consumerStatus: 'ACTIVE',
    consumerCreationTimestamp: consumer.createdMillis,
  }
}

export async function handleRegisterConsumer(
  { streams, consumers }: BrokerContext,
  { streamName, consumerName, tags = [] }: RequestOf<typeof registerStreamConsumer>,
): Promise<AnswerOf<typeof registerStreamConsumer>> {
  const stream = streams.requireServing(streamName)
  return describeConsumer(await consumers.stored.register(stream, consumerName, tags))
}

export async function handleDescribeConsumer(
  { streams, consumers }: BrokerContext,
  { streamName, consumerName }: RequestOf<typeof describeStreamConsumer>,
): Promise<AnswerOf<typeof describeStreamConsumer>> {
  const consumer = consumers.stored.require(streams.require(streamName), consumerName)
  const tags = Array.from(consumer.tags, ([key, value]) => ({ key, value }))
  return { ...describeConsumer(consumer), tags }
}

export async function handleDeregisterConsumer(
  { consumers }: BrokerContext,
  { streamName, consumerName }: RequestOf<typeof deregisterStreamConsumer>,
): Promise<AnswerOf<typeof deregisterStreamConsumer>> {
  await consumers.deregister(streamName, consumerName)
  return {}
}

type ListRequest = RequestOf<typeof listStreamConsumers>

/** Where a listing begins or goes on. */
interface Listing {
  readonly stream: Stream
  readonly afterName: string
}

export async function handleListConsumers(
  context: BrokerContext,
  request: ListRequest,
  caller: Caller,
): Promise<AnswerOf<typeof listStreamConsumers>> {
  const { nextToken, streamName, maxResults = listConsumersPageDefault } = request
  // Before it is known whether there is such a stream.
  if (streamName !== undefined) requireRight(caller, consumerRights, tokenKind, streamName)
  const { stream, afterName } =
    nextToken === undefined ? begin(context, request) : resume(context, request, nextToken)
  requireRight(caller, consumerRights, tokenKind, stream.name)
  const rest = context.consumers.stored.of(stream).filter((it) => it.name > afterName)
  const page = rest.slice(0, maxResults)
  const last = page.at(-1)
  const consumers = page.map(describeConsumer)
  if (rest.length <= maxResults || last === undefined) return { consumers }
  const values = [stream.name, stream.number, last.name]
  const token = encodeNextToken(context.sealer, tokenKind, values, context.now())
  return { consumers, nextToken: token }
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}

function begin({ streams }: BrokerContext, request: ListRequest): Listing {
  const { streamName, streamCreationTimestamp } = request
  if (streamName === undefined) refuse('Either NextToken or StreamName should be provided.')
  const stream = streams.requireCreatedAt(streamName, streamCreationTimestamp)
  return { stream, afterName: '' }
}

/** A token is that of one stream, and not of a later one of its name. */
function resume(context: BrokerContext, request: ListRequest, nextToken: string): Listing {
  if (request.streamName !== undefined || request.streamCreationTimestamp !== undefined) {
    refuse('NextToken and StreamName cannot be provided together.')
  }
  const values = decodeNextToken(context.sealer, tokenKind, nextToken, context.now())
  const [name, number, afterName] = values
  const stream = context.streams.requireNumbered(String(name), Number(number))
  return { stream, afterName: String(afterName) }
}
