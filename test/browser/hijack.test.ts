/** What a page of somebody else can do, in a real browser, to a broker on the same machine. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Served, serve } from '../e2e/cli-process.ts'
import { chromiumPath, launchChromium } from './chromium.ts'

/** Names that lead to this machine in this browser: as those do that an attacker owns. */
const resolver = '--host-resolver-rules=MAP *.example 127.0.0.1'

/** Serves one page at every path; answers its port. */
async function servePage(): Promise<number> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>a page</title>')
  })
  server.listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** What comes of a WebSocket that a script of the page opens: its first message, or its end. */
function openSocket(page: Page, url: string): Promise<string> {
  return page.evaluate(`new Promise((resolve) => {
    const socket = new WebSocket(${JSON.stringify(url)}, 'millrace.v1')
    socket.onmessage = () => resolve('welcome')
    socket.onclose = ({ code }) => resolve('closed ' + code)
  })`)
}

/** The same from a frame without an origin. */
function openFromSandbox(page: Page, url: string): Promise<string> {
  const inner = `<script>
    const socket = new WebSocket(${JSON.stringify(url)}, 'millrace.v1')
    socket.onmessage = () => parent.postMessage('welcome', '*')
    socket.onclose = ({ code }) => parent.postMessage('closed ' + code, '*')
  </script>`
  return page.evaluate(`new Promise((resolve) => {
    addEventListener('message', ({ data }) => resolve(data), { once: true })
    const frame = document.createElement('iframe')
    frame.setAttribute('sandbox', 'allow-scripts')
    frame.srcdoc = ${JSON.stringify(inner)}
    document.body.append(frame)
  })`)
}

/** What a page can read of an address: its text, nothing, or why not. */
function read(page: Page, url: string, mode: 'cors' | 'no-cors'): Promise<string> {
  return page.evaluate(`fetch(${JSON.stringify(url)}, { mode: ${JSON.stringify(mode)} })
    .then((answer) => answer.text())
    .catch((error) => error.name)`)
}

describe.skipIf(chromiumPath === undefined)('a page of another origin', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await launchChromium([resolver])
  }, 60_000)

  afterAll(() => browser?.close())

  async function visit(address: string): Promise<Page> {
    const page = await browser.newPage()
    onTestFinished(() => page.close())
    await page.goto(address)
    return page
  }

  async function connectionsOf({ url }: Served): Promise<string | undefined> {
    const answer = await fetch(`${url.replace('ws', 'http')}/metrics`)
    return /^millrace_connections .*$/m.exec(await answer.text())?.[0]
  }

  test('opens no WebSocket to a broker on loopback', async () => {
    const broker = await serve(['--ephemeral', '--create', 'orders:1'])
    const page = await visit(`http://evil.example:${await servePage()}/`)
    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]']) {
      expect(await openSocket(page, `ws://${host}:${broker.port}/`)).toBe('closed 1006')
    }
    expect(await openFromSandbox(page, broker.url)).toBe('closed 1006')
    expect(await connectionsOf(broker)).toBe('millrace_connections 0')
    expect(await broker.stop()).toBe(0)
  })

  test('is not let in by a name of its own that leads to the broker', async () => {
    const broker = await serve(['--ephemeral', '--create', 'orders:1'])
    const page = await visit(`http://evil.example:${broker.port}/metrics`)
    const shown = await page.textContent('body')
    expect(shown).toContain('the Host header names another machine')
    expect(shown).not.toContain('millrace_')
    expect(await read(page, '/metrics', 'cors')).not.toContain('millrace_')
    expect(await openSocket(page, `ws://evil.example:${broker.port}/`)).toBe('closed 1006')
    expect(await openSocket(page, broker.url)).toBe('closed 1006')
    expect(await broker.stop()).toBe(0)
  })

  test('reads no metrics across origins', async () => {
    const broker = await serve(['--ephemeral'])
    const page = await visit(`http://evil.example:${await servePage()}/`)
    const metrics = `http://127.0.0.1:${broker.port}/metrics`
    expect(await read(page, metrics, 'cors')).toBe('TypeError')
    expect(await read(page, metrics, 'no-cors')).toBe('')
    expect(await broker.stop()).toBe(0)
  })

  test('is let in where it is named, and so is one of the broker itself', async () => {
    const port = await servePage()
    const friend = `http://friend.example:${port}`
    const broker = await serve(['--ephemeral', '--allowed-origins', friend])
    expect(await openSocket(await visit(`${friend}/`), broker.url)).toBe('welcome')
    const own = await visit(`http://127.0.0.1:${broker.port}/healthz`)
    expect(await openSocket(own, broker.url)).toBe('welcome')
    for (const name of ['other.example', 'localhost', '127.0.0.1']) {
      const other = await visit(`http://${name}:${port}/`)
      expect(await openSocket(other, broker.url)).toBe('closed 1006')
    }
    expect(await broker.stop()).toBe(0)
  })
})
