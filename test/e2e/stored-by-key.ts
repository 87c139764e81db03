import type { Client } from '../../src/client/client.ts'

const decoder = new TextDecoder()

/** The texts of all records of a stream, by key, in the order of its shard. */
export async function storedByKey(
  client: Client,
  stream: string,
  count: number,
): Promise<Map<string, string[]>> {
  const byKey = new Map<string, string[]>()
  let seen = 0
  const reader = client.read(stream, { from: 'oldest' })
  for await (const batch of reader) {
    for (const record of batch) {
      const key = record.partitionKey ?? ''
      byKey.set(key, [...(byKey.get(key) ?? []), decoder.decode(record.data)])
      seen += 1
    }
    // Once all are there, a look for what is too much, until the end of each shard was seen.
    if (seen >= count && reader.state === 'live') break
  }
  return byKey
}
