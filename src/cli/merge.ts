/** Records of several shards in the order in which they arrived. */

/** A source of records of one shard, in order: the next page, or undefined at the end. */
export type Pages<It> = () => Promise<Iterable<It> | undefined>

interface Arrived {
  readonly arrivalMillis: number
}

/** One shard's next record, and what follows it. */
interface Head<It> {
  readonly record: It
  readonly rest: Iterator<It>
  readonly pages: Pages<It>
}

async function nextHead<It>(rest: Iterator<It>, pages: Pages<It>): Promise<Head<It> | undefined> {
  let current = rest
  for (;;) {
    const step = current.next()
    if (step.done !== true) return { record: step.value, rest: current, pages }
    const page = await pages()
    if (page === undefined) return undefined
    current = page[Symbol.iterator]()
  }
}

/**
 * Merges what is ordered within each source by time of arrival. It reads a page of a source only
 * when the one before is used up.
 */
export async function* mergeByArrival<It extends Arrived>(
  sources: readonly Pages<It>[],
): AsyncGenerator<It> {
  const none: It[] = []
  const started = await Promise.all(sources.map((pages) => nextHead(none.values(), pages)))
  const heads = started.filter((head) => head !== undefined)
  while (heads.length > 0) {
    let first = 0
    heads.forEach((head, index) => {
      const best = heads[first] as Head<It>
      if (head.record.arrivalMillis < best.record.arrivalMillis) first = index
    })
    const head = heads[first] as Head<It>
    yield head.record
    const next = await nextHead(head.rest, head.pages)
    if (next === undefined) heads.splice(first, 1)
    else heads[first] = next
  }
}
