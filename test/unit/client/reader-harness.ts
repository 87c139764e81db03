/** Readers of model streams, whose clock goes on while something is waited for. */

import { StreamReader } from '../../../src/client/reader.ts'
import { type ReadOptions, readerSettings } from '../../../src/client/reader-options.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelStream } from '../../support/model-stream.ts'

export const textsOf = (batch: RecordBatch): string[] =>
  Array.from(batch, (it) => new TextDecoder().decode(it.data))

export class Reading {
  readonly clock = new FakeClock()
  readonly stream: ModelStream

  constructor(shardCount: number) {
    this.stream = new ModelStream(shardCount)
  }

  /** A reader of the stream, or of another one. */
  read(options: ReadOptions = {}, stream: ModelStream = this.stream): StreamReader {
    return new StreamReader({
      verbs: stream.verbs,
      clock: this.clock,
      streamName: 's',
      settings: readerSettings(options, 's'),
      signal: options.signal,
    })
  }

  /** The texts of so many records, as they come. */
  async take(reader: StreamReader, count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push(...textsOf(await this.nextBatch(reader)))
    return texts
  }

  /** The next batch, for which the clock goes on. */
  async nextBatch(reader: StreamReader): Promise<RecordBatch> {
    const result = await this.progress(reader.next())
    if (result.done === true) throw new Error('the stream has ended')
    return result.value
  }

  async progress<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let isThere = false
    const done = () => {
      isThere = true
    }
    answer.then(done, done)
    for (let i = 0; i < 1000; i += 1) {
      await settle()
      if (isThere) return await answer
      await this.clock.advance(100)
    }
    throw new Error('nothing came')
  }
}
