import { createServer, type Server } from 'node:http'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../../src/client/client.ts'
import { BrokerPlace } from '../e2e/broker-place.ts'
import { type BrowserBundle, bundleClient } from './browser-bundle.ts'
import { chromiumPath, launchChromium } from './chromium.ts'

const gzippedBytesMax = 38 * 1024

/** What the bundle puts on the window of a page. */
declare const millrace: {
  connect(url: string): Promise<Client>
}

/** As strict as pages are: no code but the page's own, and none that is compiled there. */
const policy = `default-src 'none'; script-src 'unsafe-inline'; connect-src ws:`

let bundle: BrowserBundle

beforeAll(async () => {
  bundle = await bundleClient()
})

describe('the bundle for browsers', () => {
  test('is small', () => {
    console.log(`the client for browsers: ${bundle.gzippedBytes} bytes gzipped`)
    expect(bundle.gzippedBytes).toBeLessThanOrEqual(gzippedBytesMax)
  })

  test('has nothing of Node, and compiles no code', () => {
    expect(bundle.text).not.toMatch(/["'`]node:/)
    expect(bundle.text).not.toMatch(/\brequire\(|\bnew Function\b|\beval\(/)
    expect(bundle.inputs.filter((it) => /node_modules|node-socket|node\.js/.test(it))).toEqual([])
  })
})

describe.skipIf(chromiumPath === undefined)('in Chromium', () => {
  let place: BrokerPlace
  let pages: Server
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    pages = createServer((_, response) => {
      response.writeHead(200, {
        'content-type': 'text/html',
        'content-security-policy': policy,
      })
      response.end(`<!doctype html><script type="module">${bundle.text}</script>`)
    })
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
    browser = await launchChromium()
    page = await browser.newPage()
    const address = pages.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const origin = `http://127.0.0.1:${port}`
    place = await BrokerPlace.open({}, { allowedOrigins: [origin] })
    await page.goto(`${origin}/`)
    await page.waitForFunction(() => 'millrace' in globalThis)
  }, 60_000)

  afterAll(async () => {
    await browser?.close()
    await new Promise<void>((resolve) => pages.close(() => resolve()))
    await place.close()
  })

  test('a page creates a stream, puts and reads', async () => {
    const seen = await page.evaluate(async (url) => {
      const client = await millrace.connect(url)
      await client.createStream('of-a-page', { shardCount: 2 })
      const encoder = new TextEncoder()
      const ack = await client.put('of-a-page', { key: 'k', data: encoder.encode('one') })
      const producer = client.producer('of-a-page')
      for (let i = 0; i < 1000; i += 1) {
        await producer.put({ key: `key-${i % 10}`, data: encoder.encode(String(i)) })
      }
      await producer.close()
      const decoder = new TextDecoder()
      const texts: string[] = []
      for await (const batch of client.read('of-a-page', { from: 'oldest' })) {
        for (const record of batch) texts.push(decoder.decode(record.data))
        if (texts.length >= 1001) break
      }
      const summary = await client.describeStreamSummary('of-a-page')
      await client.close()
      return {
        sequenceNumber: String(ack.sequenceNumber),
        durability: ack.durability,
        texts,
        openShardCount: summary.openShardCount,
        state: client.state,
      }
    }, place.url)
    const { texts, ...rest } = seen
    expect(rest).toEqual({
      sequenceNumber: '1',
      durability: 'disk',
      openShardCount: 2,
      state: 'closed',
    })
    const wanted = ['one', ...Array.from({ length: 1000 }, (_, i) => String(i))]
    expect(texts.toSorted()).toEqual(wanted.toSorted())
  })

  test('errors have their codes there, and a record of a MiB goes through', async () => {
    const seen = await page.evaluate(async (url) => {
      const client = await millrace.connect(url)
      const code = await client.describeStreamSummary('nowhere').then(
        () => 'none',
        (error: { code: string }) => error.code,
      )
      await client.createStream('large', { shardCount: 1 })
      const data = new Uint8Array(1024 * 1024 - 1).map((_, i) => i % 251)
      await client.put('large', { key: 'k', data })
      const iterator = await client.getShardIterator('large', {
        shardId: '0',
        shardIteratorType: 'TRIM_HORIZON',
      })
      const { records } = await client.getRecords(iterator)
      const sums = Array.from(records, (it) => it.data.reduce((sum, byte) => sum + byte, 0))
      await client.close()
      return { code, sums, wanted: data.reduce((sum, byte) => sum + byte, 0) }
    }, place.url)
    expect(seen.code).toBe('STREAM_NOT_FOUND')
    expect(seen.sums).toEqual([seen.wanted])
  })

  test('a page goes on when the broker has been restarted', async () => {
    await page.evaluate(async (url) => {
      const client = await millrace.connect(url)
      await client.createStream('restarted', { shardCount: 1 })
      Object.assign(globalThis, { client, states: [] as string[] })
      client.on('state', (state) => {
        ;(globalThis as unknown as { states: string[] }).states.push(state)
      })
    }, place.url)
    await place.stop()
    await place.start()
    const seen = await page.evaluate(async () => {
      const { client, states } = globalThis as unknown as { client: Client; states: string[] }
      const ack = await client.put('restarted', { key: 'k', data: new Uint8Array([1]) })
      await client.close()
      return { sequenceNumber: String(ack.sequenceNumber), states }
    })
    expect(seen).toEqual({
      sequenceNumber: '1',
      states: ['reconnecting', 'open', 'closed'],
    })
  })
})
