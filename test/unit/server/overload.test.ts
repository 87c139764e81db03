import { describe, expect, it } from 'vitest'
import { LoopDelay } from '../../../src/server/loop-delay.ts'
import {
  measureMemory,
  parseOwnBytes,
  shortMemory,
  unreadBounds,
} from '../../../src/server/memory.ts'
import { makeConnections } from './fakes.ts'
import { putAnswer, putFrame } from './frames.ts'

const mebibyte = 1024 * 1024
const quiet = { ownBytes: 1, ownBytesMax: 1000, heapBytes: 1, heapBytesMax: 1000 }

describe('memory', () => {
  it.each([
    [{ ownBytes: 800 }, undefined],
    [{ ownBytes: 801 }, /of memory$/],
    [{ heapBytes: 801 }, /of heap$/],
  ])('of which there is %j is short: %s', (more, text) => {
    const short = shortMemory({ ...quiet, ...more }, 80)
    if (text === undefined) expect(short).toBe(undefined)
    else expect(short).toMatch(text)
  })

  it('is that of the process, without what is mapped from files', () => {
    const status = 'VmRSS:\t  900 kB\nRssAnon:\t     400 kB\nRssFile:\t  500 kB\n'
    expect(parseOwnBytes(status)).toBe(400 * 1024)
    const use = measureMemory(0)
    expect(use.ownBytes).toBeGreaterThan(mebibyte)
    expect(use.ownBytes).toBeLessThanOrEqual(process.memoryUsage.rss() + 64 * mebibyte)
    expect(use.ownBytesMax).toBeGreaterThan(use.ownBytes)
    expect(measureMemory(12_345).ownBytesMax).toBe(12_345)
  })

  it('that is little leaves less for unread answers, but for one', () => {
    const limits = { unreadTotalBytesMax: 256 * mebibyte, unreadShareBytesMax: 64 * mebibyte }
    expect(unreadBounds(limits, 64 * 1024 * mebibyte)).toEqual(limits)
    expect(unreadBounds(limits, 512 * mebibyte)).toEqual({
      unreadTotalBytesMax: 128 * mebibyte,
      unreadShareBytesMax: 64 * mebibyte,
    })
    expect(unreadBounds(limits, 1)).toEqual({
      unreadTotalBytesMax: 10 * mebibyte,
      unreadShareBytesMax: 10 * mebibyte,
    })
  })
})

describe('a broker whose memory is short', () => {
  it('refuses requests and connections, to be tried again, until it is not', () => {
    const { broker, connections, logger, open, state } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    state.memory = { ...quiet, ownBytes: 900 }
    connections.overload.look()
    connection.receive(putFrame(1), true)
    const [refused] = socket.take()
    expect(refused).toEqual([
      0x20,
      1,
      'LIMIT_EXCEEDED',
      expect.stringMatching(/overloaded: .* of memory, at most 80 % \(memoryPercentMax\)/),
      true,
      1000,
    ])
    expect(connections.refusal('127.0.0.1')).toContain('memoryPercentMax')
    expect(connections.overload.shedRequests).toBe(1)
    expect(socket.isOpen).toBe(true)

    state.memory = quiet
    connections.overload.look()
    connection.receive(putFrame(1), true)
    expect(socket.take()).toEqual([[0x20, 1, null, 'disk']])
    expect(connections.refusal('127.0.0.1')).toBe(undefined)
    expect(logger.lines.map(({ level }) => level)).toEqual(['debug', 'warn', 'info'])
  })
})

describe('a broker whose event loop is late', () => {
  it('lets nobody more in, and goes on with those who are there', () => {
    const { broker, connections, open, state } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    state.delayMillis = 501
    for (let look = 0; look < 5; look += 1) connections.overload.look()
    expect(connections.refusal('127.0.0.1')).toContain('loopDelayMillisMax')
    connection.receive(putFrame(1), true)
    expect(socket.take()).toEqual([[0x20, 1, null, 'disk']])
    state.delayMillis = 500
    for (let look = 0; look < 5; look += 1) connections.overload.look()
    expect(connections.refusal('127.0.0.1')).toBe(undefined)
  })

  it('has that measured', async () => {
    const delay = new LoopDelay()
    const until = async (isDone: () => boolean) => {
      while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const most = () => delay.quantiles().at(-1)?.[1] ?? 0
    const samples = () => delay.quantiles().map(([quantile]) => quantile)
    expect(samples()).toEqual(['0.5', '0.99', '0.999', '1'])
    delay.meanMillis()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const end = performance.now() + 300
    while (performance.now() < end);
    await until(() => most() > 0.25)
    expect(delay.meanMillis()).toBeGreaterThan(0)
    delay.close()
  })
})
