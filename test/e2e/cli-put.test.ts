/** Records that are put and got by commands. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runHere } from '../support/run-here.ts'
import { jsonLines, serveOrders, temporaryDirectory } from './cli-process.ts'
import { ordersHere } from './orders-here.ts'

describe('put and get', () => {
  it('end in a process of their own as they do here', async () => {
    const { run: runApart, environment } = await serveOrders()
    const run = (args: readonly string[]) => runHere(args, { environment })
    // More than a pipe holds, so that a process that ended too soon would say less.
    const lines = Array.from({ length: 2000 }, (_, n) => `k:${'order '.repeat(20)}${n}\n`).join('')
    const put = await runApart(['put', 'orders', '--key-separator', ':', '--json'], lines)
    expect([put.status, put.stderr, jsonLines(put.stdout).length]).toEqual([0, '', 2000])
    const all = ['get', 'orders', '--json', '--limit', '5000']
    const got = await runApart(all)
    expect(jsonLines(got.stdout)).toHaveLength(2000)
    expect(got).toEqual(await run(all))
    for (const wrong of [['get', 'nowhere'], ['get', 'orders@1'], ['put']]) {
      const ended = await runApart(wrong)
      expect(ended.status).toBeGreaterThan(0)
      expect(ended).toEqual(await run(wrong))
    }
  })

  it('of an argument', async () => {
    const { run } = await ordersHere()
    const put = await run(['put', 'orders', '--key', 'customer-7', 'hello'])
    expect(put.stdout).toMatch(/^shardId-00000000000[01]@1 {2}durability disk\n$/)
    const again = JSON.parse(
      (await run(['put', 'orders', '--key', 'customer-7', 'again', '--json'])).stdout,
    )
    expect(again).toMatchObject({ stream: 'orders', sequenceNumber: '2', durability: 'disk' })
    const got = jsonLines((await run(['get', 'orders', '--json'])).stdout)
    expect(got.map((it) => [it['partitionKey'], it['data'], it['sequenceNumber']])).toEqual([
      ['customer-7', 'hello', '1'],
      ['customer-7', 'again', '2'],
    ])
    const one = await run(['get', `orders/${again.shardId}@2`, '--raw'])
    expect(one).toEqual({ status: 0, stdout: 'again\n', stderr: '' })
  })

  it('without a key: with none where that is allowed, else with a random one', async () => {
    const { run } = await ordersHere()
    expect((await run(['put', 'orders', 'one'])).stdout).toMatch(
      /^shardId-\d+@1 {2}durability disk/,
    )
    expect((await run(['put', 'orders'], '2\n3\n')).status).toBe(0)
    await run(['stream', 'mode', 'orders', 'provisioned'])
    expect((await run(['put', 'orders', 'four'])).status).toBe(0)
    const got = jsonLines((await run(['get', 'orders', '--json'])).stdout)
    const keys = new Map(got.map((it) => [it['data'], it['partitionKey']]))
    expect([...keys.keys()].sort()).toEqual(['2', '3', 'four', 'one'])
    for (const data of ['one', '2', '3']) expect(keys.get(data)).toBe(undefined)
    expect(keys.get('four')).toMatch(/^[0-9a-f]{8}$/)
    expect((await run(['get', 'orders'])).stdout).toMatch(/ {2}\(no key\) {2}one$/m)
  })

  it('of lines, keyed by what stands before a separator, in order', async () => {
    const { run } = await ordersHere()
    const lines = Array.from({ length: 1000 }, (_, n) => `customer-${n % 7}:order ${n}`)
    const put = await run(['put', 'orders', '--key-separator', ':'], lines.join('\n'))
    expect(put.stdout).toMatch(/^put 1,000 records in .*, [\d,]+ a second\n$/)
    expect(put.status).toBe(0)
    const got = jsonLines((await run(['get', 'orders', '--json', '--limit', '2000'])).stdout)
    expect(got).toHaveLength(1000)
    for (let customer = 0; customer < 7; customer += 1) {
      const key = `customer-${customer}`
      const mine = got.filter((it) => it['partitionKey'] === key).map((it) => it['data'])
      expect(mine).toEqual(lines.filter((it) => it.startsWith(`${key}:`)).map((it) => it.slice(11)))
    }
  })

  it('of a whole file, with acknowledgements as JSON', async () => {
    const { run } = await ordersHere()
    const file = join(temporaryDirectory(), 'picture')
    const bytes = Buffer.from([0, 10, 255, 10, 13])
    writeFileSync(file, bytes)
    const put = await run(['put', 'orders', '--key', 'p', '--whole', '--file', file, '--json'])
    expect(JSON.parse(put.stdout)).toMatchObject({ sequenceNumber: '1', durability: 'disk' })
    const [row] = jsonLines((await run(['get', 'orders', '--json'])).stdout)
    expect(row?.['dataBase64']).toBe(bytes.toString('base64'))
  })

  it('prints an acknowledgement a line, in the order of the lines', async () => {
    const { run } = await ordersHere()
    const put = await run(['put', 'orders', '--key', 'a', '--json'], '1\n2\n3\n')
    expect(jsonLines(put.stdout).map((it) => it['sequenceNumber'])).toEqual(['1', '2', '3'])
  })

  it('says what is wrong, and exits accordingly', async () => {
    const { run } = await ordersHere()
    const cases: [string[], string, RegExp, number][] = [
      [['put', 'nowhere', 'x'], '', /^error: STREAM_NOT_FOUND: /, 3],
      [['put', 'nowhere'], 'x\n', /^error: STREAM_NOT_FOUND: /, 3],
      [['put', 'orders', '--key', 'k'.repeat(257), 'x'], '', /^error: INVALID_ARGUMENT: .*256/, 2],
      [['put', 'orders', '--key-separator', ':'], 'nokey\n', /^error: USAGE: line 1 has no key/, 2],
      [['put', 'orders', '--file', '/nowhere'], '', /^error: FILE_UNREADABLE: .*ENOENT/, 1],
      [['put', 'orders', '--key', 'a', '--whole'], 'x'.repeat(1024 * 1024), /RECORD_TOO_LARGE/, 1],
      [['get', 'nowhere'], '', /^error: STREAM_NOT_FOUND: /, 3],
      [['get', 'orders/7'], '', /^error: SHARD_NOT_FOUND: /, 3],
      [['get', 'orders@1'], '', /^error: USAGE: orders has 2 shards/, 2],
      [['get', 'orders/0@99'], '', /^error: (?:INVALID_ARGUMENT|SEQUENCE_NUMBER_IN_FUTURE): /, 1],
    ]
    for (const [args, input, message, status] of cases) {
      const ended = await run(args, input)
      expect(ended.stderr).toMatch(message)
      expect(ended.stderr).toMatch(/\nhint: .+\n$/)
      expect([args, ended.status]).toEqual([args, status])
    }
  })

  it('keeps what came before a line that is wrong', async () => {
    const { run } = await ordersHere()
    const ended = await run(['put', 'orders', '--key-separator', ':'], 'a:1\nb:2\nnokey\nc:3\n')
    expect(ended.stderr).toContain('error: USAGE: line 3 has no key before ":"')
    expect(ended.status).toBe(2)
    const got = jsonLines((await run(['get', 'orders', '--json'])).stdout)
    expect(got.map((it) => it['data']).sort()).toEqual(['1', '2'])
  })
})
