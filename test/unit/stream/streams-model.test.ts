/** Random creations, deletions, tags and reopenings against a map. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MillraceError } from '../../../src/errors.ts'
import { copyLive } from '../../support/copy-live.ts'
import { find, type OpenedStreams, openStreams, untilQuiet } from './harness.ts'

const names = ['a', 'b', '..', 'Z'.repeat(128)]
const runs = Number(process.env['MILLRACE_STREAMS_RUNS'] ?? 15)

type Step =
  | { readonly kind: 'create' | 'delete'; readonly name: string }
  | { readonly kind: 'tag'; readonly name: string; readonly value: string }
  | { readonly kind: 'reopen' | 'crash' | 'quiet' }

const name = fc.constantFrom(...names)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('create' as const), name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), name }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('tag' as const),
      name,
      value: fc.string({ unit: fc.constantFrom('x', 'ß', '日', ' '), maxLength: 100 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('reopen', 'crash', 'quiet' as const) }),
  },
) as fc.Arbitrary<Step>

/** What the model knows of a stream that is there. */
interface ModelStream {
  readonly tags: Map<string, string>
  isDeleting: boolean
}

class Run {
  readonly model = new Map<string, ModelStream>()
  readonly base = mkdtempSync(join(tmpdir(), 'millrace-streams-model-'))
  generation = 0
  #opened: OpenedStreams | undefined

  get opened(): OpenedStreams {
    if (this.#opened === undefined) throw new Error('not open')
    return this.#opened
  }

  get dir(): string {
    return join(this.base, String(this.generation))
  }

  async open(): Promise<void> {
    this.#opened = await openStreams(this.dir, { snapshotBytesMin: 600 })
  }

  async do(next: Step): Promise<void> {
    const { streams } = this.opened
    switch (next.kind) {
      case 'create':
        await this.#create(next.name)
        break
      case 'delete':
        await this.#delete(next.name)
        break
      case 'tag':
        await this.#tag(next.name, next.value)
        break
      case 'quiet':
        await untilQuiet(streams)
        break
      case 'reopen':
        await this.opened.close()
        await this.open()
        break
      case 'crash': {
        const from = this.dir
        this.generation += 1
        copyLive(from, this.dir)
        await this.opened.close()
        await this.open()
        break
      }
    }
    this.#compare()
  }

  /** A deletion may have ended meanwhile: the real one says so. */
  #known(streamName: string): ModelStream | undefined {
    const known = this.model.get(streamName)
    if (known?.isDeleting === true && find(this.opened.streams, streamName) === undefined) {
      this.model.delete(streamName)
      return undefined
    }
    return known
  }

  async #outcome(call: Promise<void>): Promise<string> {
    return await call.then(
      () => 'done',
      (error: MillraceError) => error.code,
    )
  }

  async #create(streamName: string): Promise<void> {
    const known = this.#known(streamName)
    const outcome = await this.#outcome(this.opened.streams.create({ streamName, shardCount: 2 }))
    if (known === undefined) expect(outcome).toBe('done')
    // A deletion may also end while the call waits for its turn.
    else if (!known.isDeleting) expect(outcome).toBe('STREAM_EXISTS')
    if (outcome === 'done') this.model.set(streamName, { tags: new Map(), isDeleting: false })
  }

  async #delete(streamName: string): Promise<void> {
    const known = this.#known(streamName)
    const outcome = await this.#outcome(this.opened.streams.delete(streamName))
    const expected =
      known === undefined ? 'STREAM_NOT_FOUND' : known.isDeleting ? 'STREAM_IN_USE' : 'done'
    expect(outcome).toBe(expected)
    if (known !== undefined) known.isDeleting = true
  }

  async #tag(streamName: string, value: string): Promise<void> {
    const known = this.#known(streamName)
    const tags = [{ key: `k${value.length % 5}`, value }]
    const outcome = await this.#outcome(
      this.opened.streams.settings.changeTags(streamName, tags, []),
    )
    const expected =
      known === undefined ? 'STREAM_NOT_FOUND' : known.isDeleting ? 'STREAM_IN_USE' : 'done'
    expect(outcome).toBe(expected)
    if (outcome === 'done') known?.tags.set(tags[0]?.key ?? '', value)
  }

  #compare(): void {
    for (const streamName of names) {
      const known = this.#known(streamName)
      const found = find(this.opened.streams, streamName)
      expect(found === undefined).toBe(known === undefined)
      if (known?.isDeleting === false) expect(found?.tags).toEqual(known.tags)
      expect(found?.status === 'DELETING').toBe(known?.isDeleting === true)
    }
  }

  async end(): Promise<void> {
    const { streams, log } = this.opened
    await untilQuiet(streams)
    this.#compare()
    expect(await log.listShards()).toHaveLength(1 + 2 * this.model.size)
    expect(this.opened.errors).toEqual([])
  }

  async remove(): Promise<void> {
    await this.#opened?.close()
    rmSync(this.base, { recursive: true, force: true })
  }
}

test('any sequence of changes, reopenings and crashes leaves what the model has', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
    const run = new Run()
    try {
      await run.open()
      for (const next of steps) await run.do(next)
      await run.end()
    } finally {
      await run.remove()
    }
  })
  // A failure prints the seed and the steps; MILLRACE_STREAMS_RUNS asks for more of them.
  await fc.assert(property, { numRuns: runs })
}, 60_000)
