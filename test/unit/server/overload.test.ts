import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { unreadTotalBytesMax } from '../../../src/limits.ts'
import { parseGroupMemory, parseGroupPath } from '../../../src/server/control-group.ts'
import { LoopDelay } from '../../../src/server/loop-delay.ts'
import {
  measureMemory,
  memoryOfMachine,
  memorySource,
  parseMachineMemory,
  parseOwnBytes,
  roomBytes,
  shortMemory,
  unreadBounds,
} from '../../../src/server/memory.ts'
import { lookMillisWith, Overload } from '../../../src/server/overload.ts'
import { warnOfLittleMemory } from '../../../src/server/start-warnings.ts'
import { upgradeOf } from '../../../src/server/upgrades.ts'
import { authenticate } from '../../../src/wire/access-operations.ts'
import { deregisterStreamConsumer } from '../../../src/wire/consumer-operations.ts'
import { encodeRequest } from '../../../src/wire/frame.ts'
import { deleteStream } from '../../../src/wire/operations.ts'
import { unsubscribe } from '../../../src/wire/subscription-operations.ts'
import { FakeLogger, makeConnections, smallLimits } from './fakes.ts'
import { createFrame, getFrame, putAnswer, putFrame, turn } from './frames.ts'

const mebibyte = 1024 * 1024
const percents = { memoryPercentMax: 80, machinePercentMin: 2 }
const quiet = { ownBytes: 1, ownBytesMax: 1000, heapBytes: 1, heapBytesMax: 1000 }

describe('memory', () => {
  it.each([
    [{ ownBytes: 800 }, undefined],
    [{ ownBytes: 801 }, /of memory$/],
    [{ heapBytes: 801 }, /of heap$/],
  ])('of which there is %j is short: %s', (more, text) => {
    const short = shortMemory({ ...quiet, ...more }, percents)
    if (text === undefined) expect(short).toBe(undefined)
    else expect(short).toMatch(text)
  })

  it('is that of the process, without what is mapped from files', () => {
    const status = 'VmRSS:\t  900 kB\nRssAnon:\t     400 kB\nRssFile:\t  500 kB\n'
    expect(parseOwnBytes(status)).toBe(400 * 1024)
    const use = measureMemory(memoryOfMachine())
    expect(use.ownBytes).toBeGreaterThan(mebibyte)
    expect(use.ownBytes).toBeLessThanOrEqual(process.memoryUsage.rss() + 64 * mebibyte)
    expect(use.ownBytesMax).toBeGreaterThan(use.ownBytes)
    expect(measureMemory(12_345).ownBytesMax).toBe(12_345)
  })

  it('has a bound that may be changed at any time, but where one is set', () => {
    let now = 0
    let bound = 1000
    const measure = memorySource(
      0,
      () => now,
      () => bound,
    )
    const boundAt = (millis: number) => {
      now = millis
      return measure().ownBytesMax
    }
    expect(boundAt(0)).toBe(1000)
    bound = 300
    expect([boundAt(4999), boundAt(5000)]).toEqual([1000, 300])
    bound = 2000
    expect([boundAt(9999), boundAt(10_000)]).toEqual([300, 2000])
    expect(memorySource(12_345, () => now)().ownBytesMax).toBe(12_345)
    expect(memorySource(0, () => now)().ownBytesMax).toBe(memoryOfMachine())
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

describe('memory that others use, too', () => {
  it('is that of the control group, without files that the kernel takes back', () => {
    const stat = 'anon 300\nfile 900\nshmem 100\ninactive_file 500\nactive_file 300\n'
    const group = parseGroupMemory('1500\n', `${stat}slab_reclaimable 50\n`, '1000\n')
    expect(group).toEqual({ bytes: 650, bytesMax: 1000 })
    expect(parseGroupMemory('1500\n', stat, 'max\n')).toBe(undefined)
    expect(shortMemory({ ...quiet, group }, percents)).toBe(undefined)
    const short = shortMemory({ ...quiet, group: { bytes: 801, bytesMax: 1000 } }, percents)
    expect(short).toContain('memory of the control group')
    expect(parseGroupPath('9:name=systemd:/x\n0::/user.slice/a b\n')).toBe('/user.slice/a b')
    expect(parseGroupPath('4:memory:/x\n')).toBe(undefined)
  })

  it('is that of the machine, of which a little is left', () => {
    const machine = parseMachineMemory('MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   20 kB\n')
    expect(machine).toEqual({ bytesLeft: 20 * 1024, bytes: 1000 * 1024 })
    expect(shortMemory({ ...quiet, machine }, percents)).toBe(undefined)
    const less = { bytesLeft: 19, bytes: 1000 }
    expect(shortMemory({ ...quiet, machine: less }, percents)).toContain('memory of the machine')
    expect(shortMemory({ ...quiet, machine: less }, { ...percents, machinePercentMin: 0 })).toBe(
      undefined,
    )
    expect(parseMachineMemory('MemTotal: 1 kB\n')).toBe(undefined)
    if (process.platform !== 'linux') return
    expect(measureMemory(1).machine?.bytesLeft).toBeGreaterThan(0)
  })
})

describe('looks at the memory', () => {
  it.each([
    [{}, 399],
    [{ ownBytes: 450 }, -50],
    [{ heapBytes: 390 }, 10],
    [{ group: { bytes: 30, bytesMax: 100 } }, 10],
    [{ machine: { bytesLeft: 25, bytes: 1000 } }, 5],
  ])('are led by what fills first: %j', (more, room) => {
    const halfway = { memoryPercentMax: 40, machinePercentMin: 2 }
    expect(roomBytes({ ...quiet, ...more }, halfway)).toBe(room)
  })

  it('come the sooner, the less there is to fill', () => {
    const gibibyte = 1024 * mebibyte
    const millis = [-gibibyte, 0, 0.1 * gibibyte, gibibyte, 16 * gibibyte].map(lookMillisWith)
    expect(millis).toEqual([50, 50, 50, 256, 500])
  })

  it('come seldom where there is plenty of it', () => {
    const { connections, state } = makeConnections()
    const plenty = 64 * 1024 * mebibyte
    state.memory = { ownBytes: 1, ownBytesMax: plenty, heapBytes: 1, heapBytesMax: plenty }
    expect(connections.overload.look()).toBe(500)
    state.memory = { ...state.memory, ownBytes: plenty * 0.39 }
    expect(connections.overload.look()).toBe(20) // it grew as if it went on for as much again
    expect(connections.overload.look()).toBe(163)
  })
})

it('less room for unread answers than was asked for is told in the log', () => {
  const logger = new FakeLogger()
  warnOfLittleMemory(undefined, 10, logger)
  warnOfLittleMemory(unreadTotalBytesMax, 10, logger)
  warnOfLittleMemory(1000, 1000, logger)
  expect(logger.lines).toEqual([])
  warnOfLittleMemory(1001, 1000, logger)
  expect(logger.lines).toMatchObject([{ level: 'warn', facts: { wanted: 1001 } }])
})

describe('a broker whose memory is short', () => {
  it('refuses requests and connections, to be tried again, until it is not', () => {
    const { broker, clock, connections, logger, open, state } = makeConnections()
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
    clock.now = 1000
    connections.overload.look()
    connection.receive(putFrame(1), true)
    expect(socket.take()).toEqual([[0x20, 1, null, 'disk']])
    expect(connections.refusal('127.0.0.1')).toBe(undefined)
    expect(logger.lines.map(({ level }) => level)).toEqual(['debug', 'warn', 'info'])
  })

  it('refuses an upgrade with a time to come again, and ends its socket', () => {
    const { connections, state } = makeConnections()
    state.memory = { ...quiet, ownBytes: 900 }
    connections.overload.look()
    const rules = { host: '127.0.0.1', allowedOrigins: [], allowedHosts: [] }
    const upgrade = upgradeOf(rules, connections, {
      method: 'GET',
      path: '/',
      remoteAddress: '127.0.0.1',
      host: 'localhost',
      origin: '',
      subprotocols: 'millrace.v1',
      authorization: '',
      query: '',
    })
    expect(upgrade).toMatchObject({
      kind: 'refuse',
      answer: {
        status: '503 Service Unavailable',
        headers: { 'retry-after': '1' },
        ends: true,
      },
    })
  })

  it('carries out what frees memory, and sheds what takes more', async () => {
    const { broker, connections, open, state } = makeConnections({ requestsInFlightMax: 100 })
    const { socket, connection } = open()
    state.memory = { ...quiet, ownBytes: 900 }
    connections.overload.look()
    const consumer = { streamName: 'orders', consumerName: 'app' }
    const freeing = [
      encodeRequest(deleteStream, 1, { streamName: 'orders' }),
      encodeRequest(deregisterStreamConsumer, 2, consumer),
      encodeRequest(unsubscribe, 3, { subscriptionId: 1 }),
    ]
    for (const frame of freeing) connection.receive(frame, true)
    expect(broker.calls.map(({ name }) => name)).toEqual([
      'DeleteStream',
      'DeregisterStreamConsumer',
      'Unsubscribe',
    ])
    for (const frame of [putFrame(4), getFrame(5), createFrame(6)]) connection.receive(frame, true)
    expect(socket.take().map(([, id, code]) => [id, code])).toEqual([
      [4, 'LIMIT_EXCEEDED'],
      [5, 'LIMIT_EXCEEDED'],
      [6, 'LIMIT_EXCEEDED'],
    ])
    connection.receive(encodeRequest(authenticate, 7, { token: new Uint8Array(1) }), true)
    await turn()
    expect(socket.take()[0]?.slice(0, 3)).toEqual([authenticate.opcode, 7, null])
  })

  it('is so until there is more of it for a second, and does not say so again and again', () => {
    const { clock, connections, logger, state } = makeConnections()
    const at = (now: number, ownBytes: number) => {
      clock.now = now
      state.memory = { ...quiet, ownBytes }
      connections.overload.look()
      return connections.overload.isMemoryShort
    }
    expect(at(0, 801)).toBe(true)
    expect(at(5000, 751)).toBe(true)
    expect(at(5999, 750)).toBe(true)
    expect(at(6000, 750)).toBe(false)
    expect(at(6001, 800)).toBe(false)
    for (let now = 10_000; now < 110_000; now += 2000) {
      expect(at(now, 900)).toBe(true)
      expect(at(now + 1000, 1)).toBe(false)
    }
    const told = logger.lines.filter(({ level }) => level === 'warn')
    expect(told).toHaveLength(11)
    expect(logger.lines.filter(({ level }) => level === 'info')).toHaveLength(11)
  })
})

describe('a broker whose event loop is late', () => {
  it('lets nobody more in, and goes on with those who are there', () => {
    const { broker, clock, connections, open, state } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    state.delayMillis = 501
    clock.now = 999
    connections.overload.look()
    expect(connections.refusal('127.0.0.1')).toBe(undefined)
    clock.now = 1000
    connections.overload.look()
    expect(connections.refusal('127.0.0.1')).toContain('loopDelayMillisMax')
    connection.receive(putFrame(1), true)
    expect(socket.take()).toEqual([[0x20, 1, null, 'disk']])
    state.delayMillis = 500
    clock.now = 2000
    connections.overload.look()
    expect(connections.refusal('127.0.0.1')).toBe(undefined)
  })

  it('is one that was really blocked, until it is not', { timeout: 60_000 }, async () => {
    const limits = { ...smallLimits, loopDelayMillisMax: 250, memoryPercentMax: 100 }
    const overload = new Overload(
      limits,
      new FakeLogger(),
      () => performance.now(),
      () => false,
    )
    onTestFinished(() => overload.close())
    let refused: string | undefined
    while (refused === undefined) {
      // Once in a while: the mean of all looks would hardly show it.
      block(700)
      for (let look = 0; look < 8 && refused === undefined; look += 1) {
        await sleep(100)
        refused = overload.connectRefusal()
      }
    }
    expect(refused).toContain('loopDelayMillisMax')
    while (overload.connectRefusal() !== undefined) await sleep(50)
  })

  it('has each delay count as much as it is long', async () => {
    const delay = new LoopDelay()
    onTestFinished(() => delay.close())
    expect(delay.quantiles().map(([quantile]) => quantile)).toEqual(['0.5', '0.99', '0.999', '1'])
    const longest = () => delay.quantiles().at(-1)?.[1] ?? 0
    await sleep(50)
    block(600)
    while (longest() < 0.5) await sleep(20)
    await sleep(200)
    expect(delay.lateMillis()).toBeGreaterThan(200)
    // The quantiles are of a minute or two, and not only since that call.
    expect(longest()).toBeGreaterThan(0.5)
  })
})

function block(millis: number): void {
  const end = performance.now() + millis
  while (performance.now() < end);
}
