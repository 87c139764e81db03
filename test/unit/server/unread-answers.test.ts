import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { getRecordsBytesMax } from '../../../src/limits.ts'
import { type Answered, UnreadAnswers } from '../../../src/server/unread-answers.ts'
import { makeConnections } from './fakes.ts'
import { getFrame, records, turn } from './frames.ts'

class Client implements Answered {
  bytes = 0
  since: number | undefined
  advanced = 0
  isCut = false

  bufferedBytes(): number {
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
  leavesUnread(unread: UnreadAnswers, bytes: number, since: number): this {
    unread.begin()
    this.bytes = bytes
    this.since = since
    unread.end(this)
    return this
  }
}

const clock = { now: 0 }

/** Room for three large answers. */
function makeUnread(): UnreadAnswers {
  clock.now = 0
  return new UnreadAnswers({ bytesMax: 3 * getRecordsBytesMax, now: () => clock.now })
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
      unread.begin()
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
    const slow = new Client().leavesUnread(unread, 2 * getRecordsBytesMax + 1, 0)
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
    const slow = new Client().leavesUnread(unread, 1e9, 0)
    const [left, gone] = [new Client(), new Client()]
    expect(unread.mayBegin(gone)).toBe(false)
    expect(unread.mayBegin(left)).toBe(false)
    unread.relieved(gone, true)
    unread.relieved(slow, true)
    expect([left.advanced, gone.advanced]).toEqual([1, 0])
  })
})

describe('clients that take nothing', () => {
  it('are cut off after a second where others wait, the oldest first', () => {
    const unread = makeUnread()
    const clients = [0, 1, 2].map((since) =>
      new Client().leavesUnread(unread, getRecordsBytesMax, since),
    )
    const other = new Client()
    expect(unread.mayBegin(other)).toBe(false)
    clock.now = 999
    vi.advanceTimersByTime(100)
    expect(clients.map((it) => it.isCut)).toEqual([false, false, false])
    clock.now = 1002
    vi.advanceTimersByTime(100)
    expect(clients.map((it) => it.isCut)).toEqual([true, false, false])
    expect(other.advanced).toBe(1)
  })

  it('stay where nobody waits', () => {
    const unread = makeUnread()
    const slow = new Client().leavesUnread(unread, 1e9, 0)
    clock.now = 1e6
    vi.advanceTimersByTime(10_000)
    expect(slow.isCut).toBe(false)
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
})
