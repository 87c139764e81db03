import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { StreamRoutes } from '../../../src/broker/stream-routes.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import type { Stream } from '../../../src/stream/stream.ts'

const minute = 60_000
const hour = 60 * minute
const started = 1_800_000_000_000

beforeEach(() => void vi.useFakeTimers({ now: started }))
afterEach(() => void vi.useRealTimers())

/** A stream whose only shard was split so long ago. */
function splitAgo(millis: number): Stream {
  const closedMillis = Date.now() - millis
  const shard = (index: number, more: object) => ({
    index,
    startingHashKey: index === 2 ? 5n : 0n,
    endingHashKey: index === 1 ? 4n : 2n ** 128n - 1n,
    createdMillis: closedMillis,
    parents: index === 0 ? [] : [0],
    ...more,
  })
  const shards = [shard(0, { closing: { closedMillis } }), shard(1, {}), shard(2, {})]
  return { number: 1, name: 's', shards: new Map(shards.map((it) => [it.index, it])) } as never
}

function make(fails = false) {
  const opened: number[][] = []
  const reported: unknown[] = []
  const puts = {
    open: (_: Stream, previous: readonly (readonly Shard[])[] = []) => {
      if (fails && opened.length > 0) throw new Error('no room')
      opened.push(previous.flat().map((it) => it.index))
    },
    close: () => void opened.push([-1]),
  }
  const report = (error: unknown) => void reported.push(error)
  const elapsed = () => performance.now()
  const routes = new StreamRoutes({ puts, now: Date.now, elapsed, report })
  return { routes, opened, reported }
}

test('routes of before a reshard are forgotten when it is an hour old', () => {
  const { routes, opened } = make()
  vi.advanceTimersByTime(2 * hour)
  routes.open(splitAgo(minute))
  expect(opened).toEqual([[0]])
  vi.advanceTimersByTime(hour)
  expect(opened).toEqual([[0]])
  vi.advanceTimersByTime(1)
  expect(opened).toEqual([[0], []])
  expect(vi.getTimerCount()).toBe(0)
})

test('those that a broker finds at its start are known for an hour, however old they are', () => {
  const { routes, opened } = make()
  const stream = splitAgo(100 * hour)
  routes.open(stream)
  vi.advanceTimersByTime(hour)
  routes.open(stream)
  expect(opened).toEqual([[0], [0]])
  vi.advanceTimersByTime(hour + 1)
  expect(opened).toEqual([[0], [0], []])
})

test('a clock that leaps forgets nothing early', () => {
  const { routes, opened } = make()
  vi.advanceTimersByTime(2 * hour)
  const stream = splitAgo(minute)
  vi.setSystemTime(Date.now() + 100 * hour)
  routes.open(stream)
  vi.setSystemTime(Date.now() - 200 * hour)
  routes.open(stream)
  routes.open(splitAgo(minute))
  expect(opened).toEqual([[0], [0], [0]])
  routes.stop()
})

test('a stream that never changed, or is closed, waits for nothing', () => {
  const { routes, opened } = make()
  vi.advanceTimersByTime(2 * hour)
  routes.open(splitAgo(hour + minute))
  expect(vi.getTimerCount()).toBe(0)
  routes.open(splitAgo(0))
  routes.open(splitAgo(0))
  expect(vi.getTimerCount()).toBe(1)
  routes.close(splitAgo(0))
  expect(vi.getTimerCount()).toBe(0)
  routes.open(splitAgo(0))
  routes.stop()
  expect(vi.getTimerCount()).toBe(0)
  expect(opened).toEqual([[], [0], [0], [-1], [0]])
})

test('what goes wrong then is reported', () => {
  const { routes, reported } = make(true)
  routes.open(splitAgo(0))
  vi.advanceTimersByTime(hour + minute)
  expect(reported).toEqual([new Error('no room')])
})
