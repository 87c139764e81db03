/** Half-sent messages: who does not answer while memory is short is cut off, and nobody else. */

import { describe, expect, it } from 'vitest'
import { HalfMessages, type Probed, SoonUsed } from '../../../src/server/half-messages.ts'
import { usedMemory } from '../../../src/server/memory.ts'
import { FakeLogger, makeConnections } from './fakes.ts'
import { getFrame } from './frames.ts'

const mebibyte = 1024 * 1024
const limits = { halfMessagePercentMax: 60, memoryPercentMax: 80 }

class Client implements Probed {
  readonly name: string
  readonly sharer: string | undefined
  probedAt: number | undefined
  isOpen = true
  hasToRead = false

  constructor(name: string, sharer?: string) {
    this.name = name
    this.sharer = sharer
  }

  probe(now: number): void {
    this.probedAt = now
  }

  stalledSince(): number | undefined {
    return this.hasToRead ? 0 : undefined
  }

  abandon(): void {
    this.isOpen = false
  }
}

function crowd(clients: readonly Client[]) {
  const logger = new FakeLogger()
  const half = new HalfMessages(limits, logger, () => clients.filter((it) => it.isOpen))
  /** With so many percent of 100 MiB in use. */
  const look = (percent: number, now: number) =>
    half.look({ bytes: percent * mebibyte, bytesMax: 100 * mebibyte }, now)
  /** Answers how many were asked in this look, and lets all of them answer. */
  const asked = (percent: number, now: number) => {
    look(percent, now)
    const count = clients.filter((it) => it.probedAt === now).length
    for (const it of clients) it.probedAt = undefined
    return count
  }
  const gone = () => clients.filter((it) => !it.isOpen).map((it) => it.name)
  return { half, logger, look, asked, gone }
}

const many = (count: number, sharer?: string) =>
  Array.from({ length: count }, (_, index) => new Client(`${sharer}${index}`, sharer))

describe('half messages', () => {
  it('are left alone while there is memory, and clients are asked in time', () => {
    const clients = many(2)
    const { look, gone } = crowd(clients)
    expect(look(49, 0)).toBe(false)
    expect(clients.map((it) => it.probedAt)).toEqual([undefined, undefined])
    expect(look(50, 10)).toBe(true)
    expect(clients.map((it) => it.probedAt)).toEqual([10, 10])
    look(59, 10_000)
    expect(gone()).toEqual([])
  })

  it('end with their connections where memory is short, the sooner the less there is', () => {
    const [client] = many(1) as [Client]
    const { half, look, gone } = crowd([client])
    look(50, 0)
    look(61, 899)
    expect(gone()).toEqual([])
    look(61, 900)
    expect(gone()).toEqual([client.name])
    expect(half.cut).toBe(1)
    const [other] = many(1) as [Client]
    const shorter = crowd([other])
    shorter.look(50, 0)
    shorter.look(95, 99)
    expect(shorter.gone()).toEqual([])
    shorter.look(95, 100)
    expect(shorter.gone()).toEqual([other.name])
  })

  it('cost nobody a connection who answers', () => {
    const clients = many(3)
    const { look, gone } = crowd(clients)
    for (let now = 0; now < 5000; now += 20) {
      look(95, now)
      for (const it of clients.slice(1)) it.probedAt = undefined
    }
    expect(gone()).toEqual([clients[0]?.name])
  })

  it('are looked for last with those who have something to read before the ping', () => {
    const clients = many(4)
    for (const it of clients.slice(1)) it.hasToRead = true
    const { look, gone } = crowd(clients)
    look(50, 0)
    look(61, 5000)
    expect(gone()).toEqual([clients[0]?.name])
    look(62, 5020)
    expect(gone()).toHaveLength(3)
  })

  it('are not asked again before they have answered, or time has passed', () => {
    const [client] = many(1) as [Client]
    const { look } = crowd([client])
    look(50, 0)
    look(50, 600)
    expect(client.probedAt).toBe(0)
    client.probedAt = undefined
    look(50, 1000)
    expect(client.probedAt).toBe(undefined)
    look(50, 5600)
    expect(client.probedAt).toBe(5600)
  })

  it('are seldom asked for where all answer and nothing grows, until it does', () => {
    const { asked } = crowd(many(3))
    expect(asked(55, 0)).toBe(3)
    expect([asked(55, 600), asked(55.5, 2000), asked(54, 4999)]).toEqual([0, 0, 0])
    expect(asked(55, 5000)).toBe(3)
    // It grows, or is short: they are asked as often as before.
    expect(asked(56, 5500)).toBe(3)
    expect([asked(60, 5900), asked(60, 6000), asked(60, 6500)]).toEqual([0, 3, 3])
  })

  it('are asked for as soon as it grows from the least there was since', () => {
    const { asked } = crowd(many(2))
    // The most of a moment, and what it fell from.
    expect(asked(58, 0)).toBe(2)
    expect([asked(52, 600), asked(52.9, 700), asked(53, 800)]).toEqual([0, 0, 2])
    expect([asked(20, 1400), asked(50, 1500)]).toEqual([0, 2])
  })

  it('are asked for again while one has not answered', () => {
    const [silent, other] = many(2) as [Client, Client]
    const { look } = crowd([silent, other])
    look(55, 0)
    other.probedAt = undefined
    look(55, 499)
    expect(other.probedAt).toBe(undefined)
    look(55, 500)
    expect([silent.probedAt, other.probedAt]).toEqual([0, 500])
  })

  it('end as many as are too much, first of whom there are most, then who came last', () => {
    const clients = [new Client('quiet', 'b'), ...many(4, 'a')]
    const { look, gone, logger } = crowd(clients)
    look(50, 0)
    look(62, 5000)
    expect(gone()).toEqual(['a2', 'a3'])
    look(90, 5020)
    expect(gone()).toHaveLength(5)
    expect(logger.lines.map((it) => it.facts)).toEqual([
      { connections: 2, silent: 5 },
      { connections: 3, silent: 3 },
    ])
  })

  it('are looked for in the memory that is nearest to its end', () => {
    const use = { ownBytes: 50, ownBytesMax: 100, heapBytes: 9, heapBytesMax: 9 }
    expect(usedMemory(use)).toEqual({ bytes: 50, bytesMax: 100 })
    const group = { bytes: 31, bytesMax: 60 }
    expect(usedMemory({ ...use, group })).toBe(group)
    expect(usedMemory({ ...use, group: { bytes: 29, bytesMax: 60 } }).bytes).toBe(50)
  })
})

describe('connections where memory is short', () => {
  it('are pinged, and cut off unless a pong or a message comes', () => {
    const { clock, connections, open, state } = makeConnections()
    const sockets = [open('10.0.0.1'), open('10.0.0.2'), open('10.0.0.3')]
    state.memory = { ...state.memory, ownBytes: 70 * mebibyte, ownBytesMax: 100 * mebibyte }
    expect(connections.overload.look()).toBe(20)
    for (const { socket } of sockets) expect(socket.events).toContain('ping')
    sockets[0]?.connection.ponged()
    sockets[1]?.connection.receive(getFrame(1), true)
    clock.now = 1000
    connections.overload.look()
    expect(sockets.map(({ socket }) => socket.isOpen)).toEqual([true, true, false])
    expect(sockets[2]?.socket.events.at(-1)).toBe('terminate')
    expect(connections.closes.get(4410)).toBe(1)
    state.memory = { ...state.memory, ownBytes: 1 }
    expect(connections.overload.look()).toBe(50)
  })
})

it('memory that is being filled counts as what it is by the next look', () => {
  const soon = new SoonUsed()
  const after = [100, 130, 130, 120, 150].map((bytes) => soon.of({ bytes, bytesMax: 512 }))
  expect(after.map((it) => it.bytes)).toEqual([100, 160, 130, 120, 180])
  expect(after.at(-1)?.bytesMax).toBe(512)
})
