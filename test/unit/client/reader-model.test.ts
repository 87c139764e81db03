import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StreamReader } from '../../../src/client/reader.ts'
import { readerSettings } from '../../../src/client/reader-options.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelStream } from '../../support/model-stream.ts'

const failures: readonly ErrorCode[] = ['CONNECTION_LOST', 'THROUGHPUT_EXCEEDED', 'INTERNAL']

/** A stream, a reader of it, and what has been delivered. */
class Run {
  readonly clock = new FakeClock()
  readonly stream = new ModelStream(2)
  readonly delivered = new Map<string, string[]>()
  #reader: StreamReader
  #token = 'oldest'

  constructor() {
    this.#reader = this.#open()
  }

  #open(): StreamReader {
    const settings = readerSettings({ from: this.#token, idleMillisMax: 50 }, 's')
    const { clock, stream } = this
    const parts = { verbs: stream.verbs, clock, streamName: 's', settings, signal: undefined }
    return new StreamReader(parts)
  }

  /** Takes a batch; false when nothing comes for a while, or never again. */
  async take(): Promise<boolean> {
    const next = this.#reader.next()
    let result: Awaited<typeof next> | undefined
    next.then(
      (it) => {
        result = it
      },
      () => undefined,
    )
    for (let i = 0; i < 60 && result === undefined; i += 1) await this.clock.advance(50)
    // What is not taken must not be lost with the promise: the reader is given up with it.
    if (result === undefined) await this.resume()
    else await next
    if (result?.value === undefined) return false
    const { shardId, resumeToken } = result.value
    const texts = Array.from(result.value, (it) => new TextDecoder().decode(it.data))
    this.#checkParents(shardId)
    this.delivered.set(shardId, [...(this.delivered.get(shardId) ?? []), ...texts])
    this.#token = resumeToken
    return true
  }

  async resume(): Promise<void> {
    await this.#reader.close()
    this.#reader = this.#open()
    await settle()
  }

  async close(): Promise<void> {
    await this.#reader.close()
    await settle()
  }

  /** Before a child's records come all of its parents'. */
  #checkParents(shardId: string): void {
    const shard = this.stream.shards[Number(shardId.slice('shardId-'.length))]
    for (const parent of shard?.parents ?? []) {
      const id = `shardId-${String(parent).padStart(12, '0')}`
      const wanted = this.stream.shards[parent]?.texts ?? []
      expect(this.delivered.get(id) ?? [], `${id}, before ${shardId}`).toEqual(wanted)
    }
  }
}

test('whatever happens to stream and reader: each record once, in order', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ put: fc.nat(9), count: fc.integer({ min: 1, max: 5 }) }) },
    { weight: 5, arbitrary: fc.constant({ take: true }) },
    { weight: 2, arbitrary: fc.constant({ resume: true }) },
    { weight: 1, arbitrary: fc.record({ split: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ merge: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.constant({ restart: true }) },
    { weight: 1, arbitrary: fc.record({ failures: fc.nat(5), code: fc.nat(2) }) },
    { weight: 1, arbitrary: fc.record({ wait: fc.nat(500) }) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const run = new Run()
      const { stream } = run
      let texts = 0
      let failuresLeft = 0
      let code: ErrorCode = 'INTERNAL'
      stream.fail = () => {
        failuresLeft -= 1
        return failuresLeft >= 0 ? new MillraceError(code) : undefined
      }
      for (const it of steps) {
        const { open } = stream
        if ('put' in it) {
          const shard = open[it.put % open.length]?.index ?? 0
          for (let i = 0; i < it.count; i += 1) stream.put(shard, String(texts++))
        } else if ('take' in it) await run.take()
        else if ('resume' in it) await run.resume()
        else if ('split' in it) stream.reshard([open[it.split % open.length]?.index ?? 0], 2)
        else if ('merge' in it && open.length > 1) {
          const at = it.merge % (open.length - 1)
          stream.reshard(
            open.slice(at, at + 2).map((shard) => shard.index),
            1,
          )
        } else if ('restart' in it) stream.restart()
        else if ('failures' in it) {
          failuresLeft = it.failures
          code = failures[it.code] ?? 'INTERNAL'
        } else if ('wait' in it) await run.clock.advance(it.wait)
      }
      // The last two batches are of different lifetimes of the reader.
      for (let i = 0; i < 2; i += 1) {
        while (await run.take());
        for (const it of stream.open) stream.put(it.index, String(texts++))
      }
      while (await run.take());
      await run.close()
      const delivered = stream.shards.map(
        (it) => run.delivered.get(`shardId-${String(it.index).padStart(12, '0')}`) ?? [],
      )
      expect(delivered).toEqual(stream.shards.map((it) => it.texts))
      expect([...run.clock.timers]).toEqual([])
    }),
    { numRuns: 120 },
  )
}, 60_000)
