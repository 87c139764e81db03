/** CreateStream and DeleteStream: both answer when they are accepted, and go on after that. */

import type { AnswerOf, createStream, deleteStream, RequestOf } from '../../wire/operations.ts'
import type { BrokerContext } from '../context.ts'

export async function handleCreateStream(
  { streams }: BrokerContext,
  request: RequestOf<typeof createStream>,
): Promise<AnswerOf<typeof createStream>> {
  await streams.create(request)
  return {}
}

export async function handleDeleteStream(
  { streams }: BrokerContext,
  request: RequestOf<typeof deleteStream>,
): Promise<AnswerOf<typeof deleteStream>> {
  const withConsumers = request.enforceConsumerDeletion ?? false
  await streams.delete(request.streamName, { withConsumers })
  return {}
}
