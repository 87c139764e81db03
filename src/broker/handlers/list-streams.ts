/** ListStreams: by name, in pages. */

import { MillraceError } from '../../errors.ts'
import { listStreamsPageDefault } from '../../limits.ts'
import { summarizeStream } from '../../stream/stream.ts'
import type { AnswerOf, listStreams, RequestOf } from '../../wire/operations.ts'
import { type Caller, noRights } from '../caller.ts'
import type { BrokerContext } from '../context.ts'
import { decodeNextToken, encodeNextToken } from '../next-token.ts'

const tokenKind = 'ListStreams'

export async function handleListStreams(
  context: BrokerContext,
  request: RequestOf<typeof listStreams>,
  caller: Caller,
): Promise<AnswerOf<typeof listStreams>> {
  const after = startOf(context, request)
  const limit = request.limit ?? listStreamsPageDefault
  const rest = [...context.streams.all]
    .filter((it) => it.name > after && caller.rightsOn(it.name) !== noRights)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  const hasMoreStreams = rest.length > limit
  return {
    streamSummaries: page.map(summarizeStream),
    hasMoreStreams,
    ...(hasMoreStreams && last !== undefined
      ? { nextToken: encodeNextToken(context.sealer, tokenKind, [last.name], context.now()) }
      : {}),
  }
}

function startOf(context: BrokerContext, request: RequestOf<typeof listStreams>): string {
  const { exclusiveStartStreamName, nextToken } = request
  if (nextToken === undefined) return exclusiveStartStreamName ?? ''
  if (exclusiveStartStreamName !== undefined) {
    throw new MillraceError(
      'INVALID_ARGUMENT',
      'NextToken and ExclusiveStartStreamName cannot be provided together.',
    )
  }
  const [name] = decodeNextToken(context.sealer, tokenKind, nextToken, context.now())
  return String(name)
}
