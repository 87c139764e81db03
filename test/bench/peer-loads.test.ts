/** Loads of peers: a peer that has lost a record has no figure, and none leaves anything behind. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

// Plain JavaScript without declarations, as the bench has no build step.
const load = async (name: string) =>
  await import(new URL(`../../bench/peers/${name}.mjs`, import.meta.url).href)

interface Puts {
  readonly Records?: readonly object[]
  readonly ShardId?: string
  readonly ShardIterator?: string
}

/** As much of Kinesis as a load asks for; it keeps all records but each of `losing`. */
class FakeKinesis {
  readonly #server: Server
  readonly requests: string[] = []
  #there = 0

  constructor(losing: number) {
    this.#server = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk) => {
        text += chunk
      })
      request.on('end', () => {
        const operation = String(request.headers['x-amz-target']).split('.')[1] ?? ''
        this.requests.push(operation)
        response.end(JSON.stringify(this.#answer(operation, JSON.parse(text), losing)))
      })
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #answer(operation: string, { Records, ShardId, ShardIterator }: Puts, losing: number): object {
    if (operation === 'DescribeStream') {
      const shards = [{ ShardId: 'full' }, { ShardId: 'empty' }]
      return { StreamDescription: { StreamStatus: 'ACTIVE', Shards: shards } }
    }
    if (operation === 'GetShardIterator') return { ShardIterator: ShardId }
    if (operation === 'GetRecords') {
      const count = ShardIterator === 'full' ? this.#there : 0
      return { Records: Array.from({ length: count }, () => ({})), NextShardIterator: 'end' }
    }
    if (operation === 'PutRecord') this.#there += 1
    if (operation === 'PutRecords') this.#there += (Records?.length ?? 0) - losing
    return { FailedRecordCount: 0 }
  }
}

async function loadOf(losing: number, recordsPerRequest: number, records: number) {
  const { loadKinesis } = await load('lib/kinesis')
  const kinesis = new FakeKinesis(losing)
  const server = { port: await kinesis.listen() }
  const settings = { recordsPerRequest, inFlight: 2 }
  try {
    const report = await loadKinesis({ server, settings, records, seconds: 30 })
    return { report, requests: kinesis.requests }
  } finally {
    kinesis.close()
  }
}

describe('a load over the API of Kinesis', () => {
  it('puts whole requests, reads everything back and removes its stream', async () => {
    const { report, requests } = await loadOf(0, 500, 1200)
    expect(report).toMatchObject({ records: 1500, check: '1500 records read back' })
    expect(report.seconds).toBeGreaterThan(0)
    expect(requests.filter((it) => it === 'PutRecords')).toHaveLength(3)
    expect(requests.at(-1)).toBe('DeleteStream')
    expect((await loadOf(0, 1, 7)).requests.filter((it) => it === 'PutRecord')).toHaveLength(7)
  })

  it('has no figure where a record is lost', async () => {
    await expect(loadOf(1, 500, 1000)).rejects.toThrow('998 records are there, not 1000')
  })
})

/** As much of NATS as a load asks for; `relay` says what a subscriber gets for a message. */
async function pushesTo(subscribers: number, relay: (text: string) => string) {
  const { loadPushes } = await load('lib/push')
  const listening: Socket[] = []
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.write('INFO {}\r\n')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const whole = text.slice(0, text.lastIndexOf('\r\n') + 2)
      text = text.slice(whole.length)
      if (whole.includes('SUB ')) {
        listening.push(socket)
        socket.write('PONG\r\nPING\r\n')
      } else if (!listening.includes(socket)) {
        const pushed = relay(whole.replace(/^CONNECT.*\r\n/, ''))
        for (const it of listening) it.write(pushed, 'latin1')
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const settings = { subscribers }
  try {
    return await loadPushes('nats', { server: { port }, settings, records: 300, seconds: 30 })
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

describe('a load of pushes', () => {
  // One message in one piece, whatever pieces they come in.
  const asMessages = (text: string) => text.replaceAll('PUB bench 100', 'MSG bench 1 100')

  it('counts what all subscribers have been sent, and answers a ping', async () => {
    const report = await pushesTo(3, asMessages)
    expect(report).toMatchObject({ records: 300, check: '300 records received' })
    expect(report.seconds).toBeGreaterThan(0)
  })

  it('has no figure where subscribers are sent something else', async () => {
    const wrong = pushesTo(1, (text) => asMessages(text).replaceAll('MSG bench 1', 'MSG bench 2'))
    await expect(wrong).rejects.toThrow('a subscriber was sent something else')
  })
})

describe('a workload', () => {
  let directory = ''
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-peers-test-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  /** A peer whose server is this process, and which handles 1000 records a second. */
  const peerOf = (fail?: number) => {
    const loads: number[] = []
    let stops = 0
    return {
      id: 'fake',
      workloads: { only: { what: 'nothing', durability: 'os', probe: 100 } },
      start: (about: { directory: string }) => {
        expect(existsSync(about.directory)).toBe(true)
        return {
          pid: process.pid,
          stop: () => {
            stops += 1
          },
        }
      },
      load: ({ records }: { records: number }) => {
        loads.push(records)
        if (loads.length === fail) throw new Error('lost')
        return { records, seconds: records / 1000, check: `${records} records` }
      },
      loads,
      stops: () => stops,
    }
  }

  it('is a small load, and then others that take as long as they should', async () => {
    const { measureWorkload } = await load('lib/driver')
    const peer = peerOf()
    const figure = await measureWorkload(peer, {}, 'only', { directory, load: 'full' })
    expect(peer.loads).toEqual([100, 2000, 2000, 2000])
    expect(figure).toMatchObject({ what: 'nothing', durability: 'os', value: 1000 })
    expect(figure).toMatchObject({ repetitions: 3, check: '2000 records' })
    expect(peer.stops()).toBe(1)
    expect(readdirSync(directory)).toEqual([])
  })

  it('stops the server and removes its files when a load fails', async () => {
    const { measureWorkload } = await load('lib/driver')
    const peer = peerOf(2)
    const failing = measureWorkload(peer, {}, 'only', { directory, load: 'tiny' })
    await expect(failing).rejects.toThrow('lost')
    expect(peer.stops()).toBe(1)
    expect(readdirSync(directory)).toEqual([])
  })
})
