/** The load of X2 on NATS: what is there is kept and read again, and what is late has a figure. */

import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { FakeServer } from './fake-server.ts'

// Plain JavaScript without declarations, as the bench has no build step.
const load = async (name: string) =>
  await import(new URL(`../../bench/peers/${name}.mjs`, import.meta.url).href)

const script = (name: string) =>
  fileURLToPath(new URL(`../../bench/peers/latency/${name}.mjs`, import.meta.url))
const run = promisify(execFile)

interface Consumer {
  readonly socket: Socket
  readonly subject: string
  readonly asked: boolean
  next: number
}

interface Config {
  readonly deliver_subject: string
  readonly opt_start_seq?: number
  readonly flow_control?: boolean
}

/** What a consumer is sent for the n-th record of the stream, if anything. */
type Numbering = (number: number, consumer: Consumer) => number | undefined

/** As much of JetStream as a load asks for; `numberOf` says how what is sent is numbered. */
class FakeNats extends FakeServer {
  readonly #consumers: Consumer[] = []
  readonly #numberOf: Numbering
  readonly asked: string[] = []
  answers = 0
  #records: string[] = []

  constructor(numberOf: Numbering) {
    super()
    this.#numberOf = numberOf
  }

  protected override connected(socket: Socket): void {
    const inboxes = new Map<string, string>()
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const words = text.slice(0, end).split(' ')
        let next = end + 2
        if (words[0] === 'SUB') inboxes.set(words[1] ?? '', words[2] ?? '')
        if (words[0] === 'PUB') {
          const bodyEnd = next + Number(words.at(-1))
          if (text.length < bodyEnd + 2) return
          this.#published(socket, words, text.slice(next, bodyEnd), inboxes)
          next = bodyEnd + 2
        }
        text = text.slice(next)
      }
    })
  }

  #published(socket: Socket, words: string[], body: string, inboxes: Map<string, string>): void {
    const [, subject = '', reply = ''] = words
    const answer = (value: object) => {
      const said = JSON.stringify(value)
      socket.write(`MSG ${reply} ${inboxes.get(reply)} ${said.length}\r\n${said}\r\n`)
    }
    if (subject.startsWith('flow.')) this.answers += 1
    else if (subject === 'bench') {
      this.#records.push(body)
      answer({ stream: 'bench', seq: this.#records.length })
    } else {
      this.asked.push(subject.split('.').slice(2, 4).join('.'))
      if (subject.includes('STREAM.DELETE')) this.#records = []
      const messages = this.#records.length
      answer({ state: { messages, last_seq: messages } })
      if (subject.includes('CONSUMER.CREATE')) this.#subscribed(socket, JSON.parse(body).config)
    }
    for (const it of this.#consumers) this.#send(it)
  }

  #subscribed(socket: Socket, config: Config): void {
    const next = (config.opt_start_seq ?? 1) - 1
    const asked = config.flow_control === true
    const subject = config.deliver_subject
    this.#consumers.push({ socket, subject, asked, next })
    if (asked) socket.write(`MSG ${subject} 1 flow.${subject} 0\r\n\r\n`)
  }

  #send(consumer: Consumer): void {
    const { socket, subject } = consumer
    for (; consumer.next < this.#records.length; consumer.next += 1) {
      const number = this.#numberOf(consumer.next + 1, consumer)
      if (number === undefined) continue
      const place = `$JS.ACK.bench.name.1.${number}.1.1.0`
      const data = this.#records[consumer.next] ?? ''
      socket.write(`MSG ${subject} 1 ${place} ${data.length}\r\n${data}\r\n`)
    }
  }
}

let nats: FakeNats | undefined
afterEach(() => nats?.close())

async function started(numberOf: Numbering): Promise<number> {
  nats = new FakeNats(numberOf)
  return await nats.listen()
}

const put = (port: number, ...more: string[]) =>
  run(process.execPath, [script('load'), 'nats', ...[port, 2000, 100, 20, 2].map(String), ...more])

async function replayed(port: number, seconds: number) {
  const { stdout } = await run(process.execPath, [script('nats-replay'), `${port}`, `${seconds}`])
  return JSON.parse(stdout)
}

describe('the load of X2 on NATS', () => {
  it('adds to what is there, and has that read from its beginning', async () => {
    const port = await started((number) => number)
    await put(port, '30')
    const report = JSON.parse((await put(port, '30')).stdout)
    expect(report.check).toBe('200 records received, in order, and 100 acknowledged')
    expect(await replayed(port, 30)).toEqual({ there: 200, replayed: 200 })
    expect(nats?.answers).toBe(1)
    expect(nats?.asked).not.toContain('STREAM.DELETE')
    await put(port)
    expect(nats?.asked).toContain('STREAM.DELETE')
    expect(await replayed(port, 30)).toEqual({ there: 0, replayed: 0 })
  })

  it('has no figure where a replay leaves a record out', async () => {
    const port = await started((number, { asked }) => (asked && number === 50 ? undefined : number))
    await put(port, '30')
    await expect(replayed(port, 30)).rejects.toThrow('51 was replayed, not 50')
  })

  it('ends a replay when its time is over', async () => {
    const port = await started((number, { asked }) => (asked && number > 60 ? undefined : number))
    await put(port, '30')
    const report = await replayed(port, 0.3)
    expect(report.there).toBe(100)
    expect(report.replayed).toBeLessThanOrEqual(60)
  })

  it('counts what has not come in time as if it came then', async () => {
    const port = await started((number) => (number > 60 ? undefined : number))
    const report = JSON.parse((await put(port, '0.5')).stdout)
    expect(report.check).toBe('120 of 200 records received in time, in order, and 100 acknowledged')
    expect(report.p99).toBeGreaterThan(500_000)
  })

  it('lasts for the minutes of X2, and for two at most', async () => {
    const { peers } = await load('catalog')
    const { partsOf } = peers.nats.workloads.soak
    expect([1, 2, 10].map((minutes) => partsOf('full', minutes))).toEqual([4, 8, 8])
    expect(partsOf('tiny', 10)).toBe(3)
  })
})
