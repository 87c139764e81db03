/** Slices are sent together, and yet to each subscriber at its time, and as they were read. */

import { expect, test, vi } from 'vitest'
import { Outbox, type Receiver } from '../../../../src/broker/fan-out/outbox.ts'
import { makeFanOut, toShard, toStream, turns, until } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

/** Notes who got what. */
class Noted implements Receiver {
  readonly #told: string[]
  readonly #name: string
  readonly #run: () => void

  constructor(told: string[], name: string, run: () => void = () => undefined) {
    this.#told = told
    this.#name = name
    this.#run = run
  }

  deliver(slice: Uint8Array): void {
    this.#told.push(`${this.#name}:${slice[0]}`)
    this.#run()
  }
}

const sliceOf = (first: number, bytes = 10) => new Uint8Array(bytes).fill(first)

test('one slice waits for more receivers, another one lets it go first', () => {
  const told: string[] = []
  const outbox = new Outbox()
  const [first, second] = [sliceOf(1), sliceOf(2)]
  outbox.add(new Noted(told, 'a'), first)
  outbox.add(new Noted(told, 'b'), first)
  expect(told).toEqual([])
  outbox.add(new Noted(told, 'c'), second)
  expect(told).toEqual(['a:1', 'b:1'])
  outbox.flush()
  expect(told.splice(0)).toEqual(['a:1', 'b:1', 'c:2'])
  outbox.flush()
  expect(told).toEqual([])
})

test('no more than 32 receivers wait, no more than 128 KiB, and no large slice', () => {
  const told: string[] = []
  const outbox = new Outbox()
  const small = sliceOf(1)
  for (let i = 0; i < 31; i += 1) outbox.add(new Noted(told, String(i)), small)
  expect(told).toEqual([])
  outbox.add(new Noted(told, '31'), small)
  expect(told.splice(0)).toEqual(Array.from({ length: 32 }, (_, i) => `${i}:1`))
  const larger = sliceOf(2, 15 * 1024)
  for (let i = 0; i < 8; i += 1) outbox.add(new Noted(told, String(i)), larger)
  expect(told).toEqual([])
  outbox.add(new Noted(told, '8'), larger)
  expect(told.splice(0)).toHaveLength(9)
  outbox.add(new Noted(told, 'a'), sliceOf(3, 16 * 1024))
  expect(told).toEqual(['a:3'])
})

test('a receiver that lets go of what waits behind it changes nothing', () => {
  const told: string[] = []
  const outbox = new Outbox()
  const slice = sliceOf(1)
  outbox.add(new Noted(told, 'a', () => outbox.flush()), slice)
  outbox.add(new Noted(told, 'b'), slice)
  outbox.add(new Noted(told, 'c', () => outbox.flush()), slice)
  outbox.flush()
  expect(told.splice(0)).toEqual(['a:1', 'b:1', 'c:1'])
  outbox.add(new Noted(told, 'd'), slice)
  outbox.flush()
  expect(told).toEqual(['d:1'])
})

test('subscribers at different places of a shard get their own slices in one round', async () => {
  const made = await makeFanOut()
  const [quick, slow] = [made.open(), made.open()]
  await toShard(quick.subscriptions, 0)
  await toShard(slow.subscriptions, 0)
  await turns(20)
  slow.sink.isReading = false
  for (const key of ['a', 'b']) {
    await made.put(0, [key])
    await until(() => quick.sink.told.some((it) => it.texts?.includes(key)))
  }
  expect(slow.sink.takeTexts()).toEqual(['a'])
  slow.sink.isReading = true
  slow.sink.waiting = 0
  const put = made.put(0, ['c'])
  slow.subscriptions.drained()
  await put
  await until(
    () => slow.sink.told.length > 0 && quick.sink.told.some((it) => it.texts?.includes('c')),
  )
  expect(slow.sink.takeTexts()).toEqual(['b', 'c'])
  expect(quick.sink.takeTexts()).toEqual(['a', 'b', 'c'])
})

test('of two shards that move at once, a sink that is full gets one slice', async () => {
  // Both have their turn in one round, however long the first of them takes.
  const made = await makeFanOut(2, { limits: { roundMillisMax: 1000 } })
  const { sink, subscriptions } = made.open()
  await toStream(subscriptions)
  await turns(20)
  sink.take()
  sink.isReading = false
  await Promise.all([made.put(0, ['a']), made.put(1, ['b'])])
  await turns(20)
  expect(sink.takeTexts()).toHaveLength(1)
  sink.isReading = true
  sink.waiting = 0
  subscriptions.drained()
  await until(() => sink.told.some((it) => it.kind === 'slice'))
  expect(sink.takeTexts()).toHaveLength(1)
})

test('who ends a subscription as it takes a slice keeps what comes next from it', async () => {
  const made = await makeFanOut()
  const [one, other] = [made.open(), made.open()]
  await toShard(one.subscriptions, 0)
  await toShard(other.subscriptions, 0)
  await turns(20)
  other.sink.take()
  one.sink.onPush = () => other.subscriptions.close()
  await made.put(0, ['a'])
  await until(() => one.sink.told.some((it) => it.kind === 'slice'))
  await turns()
  expect(one.sink.takeTexts()).toEqual(['a'])
  expect(other.sink.takeTexts()).toEqual([])
})
