/** The page of examples/browser in a real browser, while its broker is killed and comes back. */

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { lastingPort, serve, Transcript, temporaryDirectory } from '../e2e/cli-process.ts'
import { chromiumPath, launchChromium } from './chromium.ts'

const example = fileURLToPath(new URL('../../examples/browser/serve.mjs', import.meta.url))
/** Where screenshots are kept to be looked at; nowhere unless it is given. */
const screenshots = process.env['MILLRACE_SCREENSHOTS']

/** Serves the page as its comment says; answers the address that it prints. */
async function servePage(): Promise<string> {
  const child = spawn(process.execPath, [example], { env: { ...process.env, PORT: '0' } })
  onTestFinished(() => {
    child.kill()
  })
  const printed = new Transcript(child.stdout)
  await printed.until((it) => it.includes('\n'))
  return printed.text.trim()
}

async function screenshot(page: Page, name: string): Promise<void> {
  const image = await page.screenshot(
    screenshots === undefined ? {} : { path: join(screenshots, `${name}.png`) },
  )
  expect(image.length).toBeGreaterThan(10_000)
}

/** What the page shows: the newest first. */
function rowsOf(page: Page): Promise<{ key: string; data: string; record: string }[]> {
  return page.$$eval('#feed tr', (rows) =>
    rows.map((it) => ({
      key: it.children[2]?.textContent ?? '',
      data: it.children[3]?.textContent ?? '',
      record: (it as unknown as { dataset: { record: string } }).dataset.record,
    })),
  )
}

function untilRows(page: Page, count: number): Promise<unknown> {
  return page.waitForSelector(`#feed tr:nth-child(${count})`)
}

function untilState(page: Page, state: string): Promise<unknown> {
  return page.waitForSelector(`#state[data-state="${state}"]`)
}

describe.skipIf(chromiumPath === undefined)('the page', () => {
  let browser: Browser

  beforeAll(async () => {
    browser = await launchChromium()
    if (screenshots !== undefined) mkdirSync(screenshots, { recursive: true })
  }, 60_000)

  afterAll(() => browser?.close())

  test('shows each record once, across a broker that is killed and a reload', async () => {
    const data = join(temporaryDirectory(), 'data')
    const listen = `127.0.0.1:${await lastingPort()}`
    const address = new URL(await servePage())
    const args = ['--data', data, '--listen', listen, '--create', 'orders:2']
    args.push('--allowed-origins', address.origin)
    const broker = await serve(args)
    let put = 0
    const client = await connect(broker.url)
    onTestFinished(() => client.close())
    const producer = client.producer('orders')
    const putMore = async (count: number) => {
      for (const end = put + count; put < end; put += 1) {
        const key = `customer-${put % 7}`
        const text = JSON.stringify({ order: put, items: (put % 4) + 1, total: 10 + put / 4 })
        await producer.put({ key, data: new TextEncoder().encode(text) })
      }
      await producer.flush()
    }

    const page = await browser.newPage({ viewport: { width: 1100, height: 760 } })
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(String(error)))
    address.searchParams.set('url', broker.url)
    address.searchParams.set('from', 'oldest')
    await page.goto(address.href)
    await untilState(page, 'live')
    await screenshot(page, 'empty')
    await putMore(150)
    await untilRows(page, 150)
    await untilState(page, 'live')
    await screenshot(page, 'live')

    // Some are on their way when the broker is killed: one after the other comes until it is.
    let isKilled = false
    const underWay = (async () => {
      while (!isKilled) {
        await putMore(1)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })()
    await untilRows(page, 151)
    await broker.stop('SIGKILL')
    isKilled = true
    await untilState(page, 'reconnecting')
    expect(await page.textContent('#notice')).toMatch('The broker is away.')
    await screenshot(page, 'reconnecting')
    const again = await serve(args)
    await underWay
    await putMore(50)
    await untilRows(page, put)
    await untilState(page, 'live')
    const rows = await rowsOf(page)
    const orders = rows.map((it) => JSON.parse(it.data).order as number)
    expect(orders.toSorted((a, b) => a - b)).toEqual(Array.from({ length: put }, (_, i) => i))
    expect(new Set(rows.map((it) => it.record)).size).toBe(put)
    for (let customer = 0; customer < 7; customer += 1) {
      const mine = rows.filter((it) => it.key === `customer-${customer}`)
      const own = mine.map((it) => JSON.parse(it.data).order as number).reverse()
      expect(own).toEqual(own.toSorted((a, b) => a - b))
    }
    expect(await page.textContent('#records')).toBe(String(put))
    expect(await page.textContent('#missing')).toBe('none')
    expect(await page.textContent('#notice')).toBe('')
    await page.emulateMedia({ colorScheme: 'dark' })
    await screenshot(page, 'resumed')

    await putMore(5)
    await untilRows(page, put)
    await page.reload()
    await untilState(page, 'live')
    await putMore(3)
    await untilRows(page, 3)
    const last = (await rowsOf(page)).map((it) => JSON.parse(it.data).order as number)
    expect(last.toSorted((x, y) => x - y)).toEqual([put - 3, put - 2, put - 1])
    expect(problems).toEqual([])
    await page.close()
    await again.stop()
  })

  test('that is paused takes nothing, and loses nothing', async () => {
    const address = new URL(await servePage())
    const data = join(temporaryDirectory(), 'data')
    const args = ['--data', data, '--create', 'orders:1', '--allowed-origins', address.origin]
    const broker = await serve(args)
    const client = await connect(broker.url)
    onTestFinished(() => client.close())
    const page = await browser.newPage()
    address.searchParams.set('url', broker.url)
    await page.goto(address.href)
    await untilState(page, 'live')
    const put = (text: string) => client.put('orders', { key: 'k', data: Buffer.from(text) })
    await put('first')
    await untilRows(page, 1)
    await page.click('#pause')
    await put('second')
    await put('third')
    await put('fourth')
    await page.click('#pause')
    await untilRows(page, 4)
    const shown = (await rowsOf(page)).map((it) => it.data)
    expect(shown).toEqual(['fourth', 'third', 'second', 'first'])
    await page.close()
    await broker.stop()
  })
})
