/** Iterating until a signal says that it is enough. */

import { unlessAborted } from './on-abort.ts'

/**
 * What a source delivers; rejects with the reason of the signal as soon as that is aborted, also
 * while the source is waited for, or where the source ends by itself then.
 */
export async function* untilAborted<Item>(
  source: AsyncIterable<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let place: 'waits' | 'works' | 'ended' = 'works'
  try {
    for (;;) {
      signal?.throwIfAborted()
      place = 'waits'
      const { done, value } = await unlessAborted(iterator.next(), signal)
      place = done === true ? 'ended' : 'works'
      if (done === true) break
      yield value
    }
    signal?.throwIfAborted()
  } finally {
    // What fails while it is waited for has ended by that.
    const waits = place === 'waits' && signal?.aborted === true
    if (place === 'works' || waits) await leave(iterator, waits)
  }
}

/** Ends an iteration early. Why that is so is told, not what else fails then. */
async function leave(iterator: AsyncIterator<unknown>, waits: boolean): Promise<void> {
  const left = Promise.resolve(iterator.return?.()).catch(() => undefined)
  // A generator that waits does not hear of it before that is over; what can be closed does.
  if (!waits || 'close' in iterator) await left
}
