/** Loads of peers by a timetable: each record once, in order, to each subscriber, or no figure. */

import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { FakeServer } from './fake-server.ts'

const script = fileURLToPath(new URL('../../bench/peers/latency/load.mjs', import.meta.url))
const run = promisify(execFile)

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const array = (...values: string[]) => `*${values.length}\r\n${values.join('')}`

/** As much of Redis as a load asks for; `change` says what subscribers get for the n-th record. */
class FakeRedis extends FakeServer {
  readonly #waiting = new Map<Socket, number>()
  readonly #records: string[] = []
  readonly #change: (record: string, number: number) => string

  constructor(change: (record: string, number: number) => string) {
    super()
    this.#change = change
  }

  protected override connected(socket: Socket): void {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      // Words of a command never have line ends, and every other line is a length.
      for (let end = this.#commandEnd(text); end > 0; end = this.#commandEnd(text)) {
        this.#take(socket, text.slice(0, end).split('\r\n'))
        text = text.slice(end)
      }
    })
  }

  #commandEnd(text: string): number {
    const lines = text.split('\r\n')
    const count = 1 + 2 * Number(lines[0]?.slice(1))
    return lines.length > count ? lines.slice(0, count).join('\r\n').length + 2 : -1
  }

  #take(socket: Socket, lines: string[]): void {
    const words = lines.filter((_, at) => at > 0 && at % 2 === 0)
    if (words[0] === 'DEL') socket.write(':0\r\n')
    if (words[0] === 'XADD') {
      this.#records.push(words[4] ?? '')
      socket.write(bulk(`${this.#records.length}-0`))
    }
    if (words[0] === 'XREAD') this.#waiting.set(socket, Number.parseInt(words.at(-1) ?? '', 10))
    for (const [waiting, from] of this.#waiting) this.#answer(waiting, from)
  }

  #answer(socket: Socket, from: number): void {
    if (from >= this.#records.length) return
    this.#waiting.delete(socket)
    const entries = this.#records.slice(from).map((record, at) => {
      const fields = array(bulk('d'), bulk(this.#change(record, from + at)))
      return array(bulk(`${from + at + 1}-0`), fields)
    })
    socket.write(array(array(bulk('bench'), array(...entries))))
  }
}

async function loadOf(change: (record: string, number: number) => string) {
  const redis = new FakeRedis(change)
  try {
    const load = [await redis.listen(), 2000, 200, 50, 2].map(String)
    const { stdout } = await run(process.execPath, [script, 'redis', ...load])
    return JSON.parse(stdout)
  } finally {
    redis.close()
  }
}

describe('a load by a timetable', () => {
  it('has the times of all records that each subscriber got', async () => {
    const report = await loadOf((record) => record)
    expect(report.check).toBe('400 records received, in order, and 200 acknowledged')
    expect(report.p50).toBeGreaterThan(0)
    expect(report.p99).toBeGreaterThanOrEqual(report.p50)
    expect(report.max).toBeGreaterThanOrEqual(report['p99.9'])
  })

  it('counts from when a record was due: a peer that rests has slow records', async () => {
    let rested = false
    const report = await loadOf((record, number) => {
      const until = performance.now() + 150
      while (number === 100 && !rested && performance.now() < until);
      rested ||= number === 100
      return record
    })
    // Half of what is measured was due while it rested.
    expect(report.p99).toBeGreaterThan(50_000)
  })

  it('has no figure where a subscriber is sent something else', async () => {
    const wrong = loadOf((record, number) => (number === 120 ? `${record.slice(1)}.` : record))
    await expect(wrong).rejects.toThrow('a subscriber was sent something else')
  })
})
