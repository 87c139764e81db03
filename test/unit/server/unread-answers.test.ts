import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { getRecordsBytesMax } from '../../../src/limits.ts'
import { type Answered, UnreadAnswers } from '../../../src/server/unread-answers.ts'
import { makeConnections } from './fakes.ts'
import { getFrame, putFrame, records, turn } from './frames.ts'

class Client implements Answered {
  readonly sharer: string | undefined
  bytes = 0
  taken = 0
  since: number | undefined
  advanced = 0
  isCut = false
  asked = 0

  constructor(sharer?: string) {
    this.sharer = sharer
  }

  takenBytes(): number {
    return this.taken
  }

  bufferedBytes(): number {
    this.asked += 1
    return this.bytes
  }

  stalledSince(): number | undefined {
    return this.since
  }

  advance(): void {
    this.advanced += 1
  }

  stalled(): void {
    this.isCut = true
  }

  /** An answer of so many bytes is made, and the client takes nothing of it. */
  leavesUnread(unread: UnreadAnswers, bytes: number): this {
    unread.begin(this)
    this.bytes = bytes
    this.since = clock.now
    unread.end(this)
    return this
  }
}

const clock = { now: 0 }

/** Room for three large answers, of which one of each share; at least 1000 bytes a second. */
function makeUnread(): UnreadAnswers {
  clock.now = 0
  const limits = {
    unreadTotalBytesMax: 3 * getRecordsBytesMax,
    unreadShareBytesMax: getRecordsBytesMax,
    unreadBytesPerSecondMin: 1000,
  }
  return new UnreadAnswers(limits, () => clock.now)
}

function passes(millis: number): void {
  clock.now += millis
  vi.advanceTimersByTime(millis)
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('large answers', () => {
  it('that are being made count as the largest that there are; more wait for one of them', () => {
    const unread = makeUnread()
    const clients = Array.from({ length: 4 }, () => new Client())
    for (const one of clients.slice(0, 3)) {
      expect(unread.mayBegin(one)).toBe(true)
      unread.begin(one)
    }
    const last = clients[3] as Client
    expect(unread.mayBegin(last)).toBe(false)
    expect(last.advanced).toBe(0)
    unread.end(clients[0] as Client)
    expect(last.advanced).toBe(1)
    expect(unread.mayBegin(last)).toBe(true)
  })

  it('that are not read count with what is left of them, until they are', () => {
    const unread = makeUnread()
    const slow = new Client().leavesUnread(unread, 2 * getRecordsBytesMax + 1)
    const other = new Client()
    expect(unread.mayBegin(other)).toBe(false)
    slow.bytes -= 1
    unread.relieved(slow, false)
    expect(other.advanced).toBe(1)
    expect(unread.mayBegin(other)).toBe(true)
    slow.since = undefined
    unread.relieved(slow, false)
    slow.bytes = 1e9
    expect(unread.mayBegin(other)).toBe(true)
  })

  it('go on without those who are gone', () => {
    const unread = makeUnread()
    const slow = new Client().leavesUnread(unread, 1e9)
    const [left, gone] = [new Client(), new Client()]
    expect(unread.mayBegin(gone)).toBe(false)
    expect(unread.mayBegin(left)).toBe(false)
    unread.relieved(gone, true)
    unread.relieved(slow, true)
    expect([left.advanced, gone.advanced]).toEqual([1, 0])
  })
})

describe('clients that take nothing, or a little now and then', () => {
  it('are cut off after a second where others wait, the slowest first', () => {
    const unread = makeUnread()
    const clients = [1, 0, 2].map(() => new Client().leavesUnread(unread, getRecordsBytesMax))
    const [slow, slowest, slower] = clients as [Client, Client, Client]
    const other = new Client()
    expect(unread.mayBegin(other)).toBe(false)
    passes(900)
    expect(clients.map((it) => it.isCut)).toEqual([false, false, false])
    slow.taken = 999
    slower.taken = 1
    passes(100)
    expect(slowest.isCut).toBe(true)
    expect([slow.isCut, slower.isCut]).toEqual([false, false])
    expect(other.advanced).toBe(1)
  })

  it('are cut off however often they take something, and stay when they take enough', () => {
    const unread = makeUnread()
    const trickling = new Client().leavesUnread(unread, 2 * getRecordsBytesMax)
    const steady = new Client().leavesUnread(unread, 2 * getRecordsBytesMax)
    const other = new Client()
    expect(unread.mayBegin(other)).toBe(false)
    for (let step = 0; step < 50; step += 1) {
      passes(100)
      for (const [one, bytes] of [
        [trickling, 90],
        [steady, 101],
      ] as const) {
        one.taken += bytes
        one.since = clock.now
        unread.relieved(one, false)
      }
    }
    expect([trickling.isCut, steady.isCut]).toEqual([true, false])
  })

  it('are judged by what they take now, not by what they took once', () => {
    const unread = makeUnread()
    const once = new Client().leavesUnread(unread, 3 * getRecordsBytesMax)
    expect(unread.mayBegin(new Client())).toBe(false)
    once.taken = 1e6
    passes(1000)
    expect(once.isCut).toBe(false)
    passes(1000)
    expect(once.isCut).toBe(true)
  })

  it('stay where nobody waits', () => {
    const unread = makeUnread()
    const slow = new Client().leavesUnread(unread, 1e9)
    passes(1e6)
    expect(slow.isCut).toBe(false)
  })
})

describe('a share', () => {
  it('is all that one principal gets: others find room beside it', () => {
    const unread = makeUnread()
    const [first, second] = [new Client('greedy'), new Client('greedy')]
    expect(unread.mayBegin(first)).toBe(true)
    unread.begin(first)
    expect(unread.mayBegin(second)).toBe(false)
    expect(unread.mayBegin(new Client('modest'))).toBe(true)
    unread.end(first)
    expect(second.advanced).toBe(1)
  })

  it('has what is left unread count, and its own slow clients cut off for it', () => {
    const unread = makeUnread()
    const own = new Client('greedy').leavesUnread(unread, 1)
    const stranger = new Client('modest').leavesUnread(unread, 1)
    const waiting = new Client('greedy')
    expect(unread.mayBegin(waiting)).toBe(false)
    passes(1000)
    expect([own.isCut, stranger.isCut, waiting.advanced]).toEqual([true, false, 1])
  })

  it('that is full keeps nobody waiting who stands behind it', () => {
    const unread = makeUnread()
    const clients = ['greedy', 'greedy', 'x', 'y', 'z'].map((it) => new Client(it))
    const [first, again, x, y, z] = clients as [Client, Client, Client, Client, Client]
    for (const one of [first, x, y]) unread.begin(one)
    expect([unread.mayBegin(again), unread.mayBegin(z)]).toEqual([false, false])
    unread.end(x)
    expect([again.advanced, z.advanced]).toEqual([0, 1])
  })
})

describe('the work for those that wait', () => {
  /** As many slow clients of one share that is full, and some that wait for it. */
  function makeCrowd() {
    const unread = makeUnread()
    const slow = Array.from({ length: 900 }, () => new Client('greedy').leavesUnread(unread, 1))
    const waiting = Array.from({ length: 100 }, () => new Client('greedy'))
    for (const one of waiting) unread.mayBegin(one)
    for (const one of slow) one.asked = 0
    const asked = () => slow.reduce((sum, it) => sum + it.asked, 0)
    return { unread, slow, waiting, asked }
  }

  it('is one look at each that is slow, however many wait', () => {
    const { unread, slow, waiting, asked } = makeCrowd()
    unread.relieved(slow[0] as Client, false)
    expect(asked()).toBeLessThanOrEqual(slow.length)
    expect(waiting.filter((it) => it.advanced > 0)).toEqual([])
  })

  it('is a few looks at each where all of them are cut off', () => {
    const { slow, waiting, asked } = makeCrowd()
    passes(1000)
    expect(slow.every((it) => it.isCut)).toBe(true)
    expect(waiting[0]?.advanced).toBe(1)
    expect(asked()).toBeLessThanOrEqual(20 * slow.length)
  })
})

describe('connections', () => {
  it('share the room for large answers', async () => {
    vi.useRealTimers()
    const { broker, open } = makeConnections({ unreadTotalBytesMax: getRecordsBytesMax })
    const [first, second] = [open(), open()]
    first.connection.receive(getFrame(1), true)
    second.connection.receive(getFrame(2), true)
    expect(broker.calls).toHaveLength(1)
    broker.calls[0]?.settle(records)
    await turn()
    expect(broker.calls).toHaveLength(2)
    broker.calls[1]?.settle(records)
    await turn()
    expect(second.socket.take()).toHaveLength(1)
  })

  it('are of their principals, or of their addresses where nobody is asked', () => {
    const { open } = makeConnections()
    expect(open('127.0.0.1').connection.sharer).toBe(undefined)
    expect(open('192.0.2.1').connection.sharer).toBe('192.0.2.1')
    expect(open('2001:db8::1').connection.sharer).toBe('2001:db8:0:0::/64')
  })

  it('count what their clients have taken', () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(new Uint8Array(600))
    const before = connection.takenBytes()
    socket.isReading = false
    connection.receive(putFrame(1), true)
    expect(connection.takenBytes()).toBe(before)
    socket.drain(200)
    expect(connection.takenBytes()).toBe(before + 400)
    connection.push(new Uint8Array(100))
    expect(connection.takenBytes()).toBe(before + 400)
  })
})
