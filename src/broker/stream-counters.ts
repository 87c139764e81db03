/** What was put and read, per stream, since the broker was opened. */

/** Totals of one stream; they only grow. */
export interface StreamCounts {
  appendRecords: number
  /** Of the requests that were appended: keys, data, and what encloses them. */
  appendBytes: number
  /** Records that were refused, by code. */
  readonly appendRefused: Map<string, number>
  readRecords: number
  readBytes: number
  /** What was pushed to subscriptions. */
  pushedRecords: number
  pushedBytes: number
  pushedSlices: number
  /** GetRecords requests that were refused, by code. */
  readonly readRefused: Map<string, number>
}

export class StreamCounters {
  readonly #counts = new Map<string, StreamCounts>()
  /** Puts that were refused and name no stream that takes records, by code. */
  readonly strayRefused: Map<string, number> = new Map()

  /** The counts of a stream, to be added to. */
  of(stream: string): StreamCounts {
    let counts = this.#counts.get(stream)
    if (counts === undefined) {
      counts = {
        appendRecords: 0,
        appendBytes: 0,
        appendRefused: new Map(),
        readRecords: 0,
        readBytes: 0,
        pushedRecords: 0,
        pushedBytes: 0,
        pushedSlices: 0,
        readRefused: new Map(),
      }
      this.#counts.set(stream, counts)
    }
    return counts
  }

  /** Of a stream that is deleted: one of the same name begins anew. */
  forget(stream: string): void {
    this.#counts.delete(stream)
  }
}

export function countRefused(refused: Map<string, number>, code: string, count: number): void {
  refused.set(code, (refused.get(code) ?? 0) + count)
}
