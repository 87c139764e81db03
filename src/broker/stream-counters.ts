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
  /** GetRecords requests that were refused, by code. */
  readonly readRefused: Map<string, number>
}

/** Streams that are counted apart; the others together have the name `other`. */
const streamsMax = 200
const otherName = 'other'

export class StreamCounters {
  readonly #counts = new Map<string, StreamCounts>()

  /** The counts of a stream, to be added to. */
  of(stream: string): StreamCounts {
    const name = this.#counts.has(stream) || this.#counts.size < streamsMax ? stream : otherName
    let counts = this.#counts.get(name)
    if (counts === undefined) {
      counts = {
        appendRecords: 0,
        appendBytes: 0,
        appendRefused: new Map(),
        readRecords: 0,
        readBytes: 0,
        readRefused: new Map(),
      }
      this.#counts.set(name, counts)
    }
    return counts
  }

  snapshot(): ReadonlyMap<string, Readonly<StreamCounts>> {
    return new Map(this.#counts)
  }
}

export function countRefused(refused: Map<string, number>, code: string, count: number): void {
  refused.set(code, (refused.get(code) ?? 0) + count)
}
