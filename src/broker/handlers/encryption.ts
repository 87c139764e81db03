/** StartStreamEncryption and StopStreamEncryption. */

import type {
  startStreamEncryption,
  stopStreamEncryption,
} from '../../wire/encryption-operations.ts'
import type { AnswerOf, RequestOf } from '../../wire/operations.ts'
import type { BrokerContext } from '../context.ts'

export async function handleStartEncryption(
  { streams }: BrokerContext,
  { streamName, keyId }: RequestOf<typeof startStreamEncryption>,
): Promise<AnswerOf<typeof startStreamEncryption>> {
  await streams.encryption.start(streamName, keyId)
  return {}
}

export async function handleStopEncryption(
  { streams }: BrokerContext,
  { streamName, keyId }: RequestOf<typeof stopStreamEncryption>,
): Promise<AnswerOf<typeof stopStreamEncryption>> {
  await streams.encryption.stop(streamName, keyId)
  return {}
}
