/** AddTagsToStream, RemoveTagsFromStream and ListTagsForStream. */

import { tagsMax } from '../../limits.ts'
import type {
  AnswerOf,
  addTagsToStream,
  listTagsForStream,
  RequestOf,
  removeTagsFromStream,
} from '../../wire/operations.ts'
import type { BrokerContext } from '../context.ts'

export async function handleAddTags(
  { streams }: BrokerContext,
  request: RequestOf<typeof addTagsToStream>,
): Promise<AnswerOf<typeof addTagsToStream>> {
  await streams.settings.changeTags(request.streamName, request.tags, [])
  return {}
}

export async function handleRemoveTags(
  { streams }: BrokerContext,
  request: RequestOf<typeof removeTagsFromStream>,
): Promise<AnswerOf<typeof removeTagsFromStream>> {
  await streams.settings.changeTags(request.streamName, [], request.tagKeys)
  return {}
}

export async function handleListTags(
  { streams }: BrokerContext,
  request: RequestOf<typeof listTagsForStream>,
): Promise<AnswerOf<typeof listTagsForStream>> {
  const after = request.exclusiveStartTagKey ?? ''
  const limit = request.limit ?? tagsMax
  const rest = [...streams.require(request.streamName).tags]
    .filter(([key]) => key > after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    tags: rest.slice(0, limit).map(([key, value]) => ({ key, value })),
    hasMoreTags: rest.length > limit,
  }
}
