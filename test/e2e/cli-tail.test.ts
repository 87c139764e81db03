/** `millrace tail` as a child: where it starts, what it prints, what it outlives, how it ends. */

import { once } from 'node:events'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { runHere } from '../support/run-here.ts'
import {
  jsonLines,
  lastingPort,
  serve,
  startCli,
  Transcript,
  temporaryDirectory,
} from './cli-process.ts'

/** A broker with a stream of four shards. */
async function broker() {
  const data = join(temporaryDirectory(), 'data')
  const listen = `127.0.0.1:${await lastingPort()}`
  const served = await serve(['--data', data, '--create', 'orders:4', '--listen', listen])
  const environment = { MILLRACE_URL: served.url }
  const put = async (texts: readonly string[], key?: string) => {
    const keyed = key === undefined ? ['--key-separator', ':'] : ['--key', key]
    const input = texts.join('\n')
    const ended = await runHere(['put', 'orders', ...keyed], { environment, input })
    expect(ended.status).toBe(0)
  }
  const tail = (...args: string[]) => {
    const child = startCli(['tail', 'orders', '--json', ...args], { environment })
    const closed = once(child, 'close')
    const stdout = new Transcript(child.stdout as NodeJS.ReadableStream)
    const stderr = new Transcript(child.stderr as NodeJS.ReadableStream)
    const data = () => jsonLines(stdout.text).map((it) => it['data'])
    const until = (count: number) => stdout.until(() => data().length >= count)
    return { child, closed, stdout, stderr, data, until }
  }
  return { served, data, environment, put, tail }
}

it('prints what is there in the order of arrival, then what comes, and ends with 0', async () => {
  const { put, tail } = await broker()
  // Each key in a shard of its own chance, one after the other.
  for (let n = 0; n < 4; n += 1) await put([`key-${n}:${n}`])
  const tailing = tail('--from', 'oldest')
  await tailing.until(4)
  expect(tailing.data()).toEqual(['0', '1', '2', '3'])
  await put(['4', '5'], 'key-4')
  await tailing.until(6)
  expect(tailing.data()).toEqual(['0', '1', '2', '3', '4', '5'])
  tailing.child.kill('SIGINT')
  await tailing.closed
  expect(tailing.child.exitCode).toBe(0)
  expect(tailing.stderr.text).toBe('')
})

it('starts at a time, at a record of a shard, or now, and picks a key', async () => {
  const { environment, put, tail } = await broker()
  await put(['1', '2', '3', '4'], 'a')
  const [first] = jsonLines((await runHere(['get', 'orders', '--json'], { environment })).stdout)
  const since = tail('--from', new Date(Date.now() - 3_600_000).toISOString(), '--limit', '4')
  await since.closed
  expect(since.data()).toEqual(['1', '2', '3', '4'])
  const shard = startCli(['tail', `orders/${first?.['shardId']}@3`, '--limit', '2', '--raw'], {
    environment,
  })
  const out = new Transcript(shard.stdout as NodeJS.ReadableStream)
  await once(shard, 'close')
  expect(out.text).toBe('3\n4\n')
  const lately = tail('--from', '1h', '--limit', '4')
  await lately.closed
  expect(lately.data()).toEqual(['1', '2', '3', '4'])
  const picky = tail('--from', 'oldest', '--key', 'b', '--limit', '1')
  await put(['5'], 'a')
  await put(['6'], 'b')
  await picky.closed
  expect(picky.data()).toEqual(['6'])
})

it('starts at a sequence number, which belongs to one shard', async () => {
  const { environment, put, tail } = await broker()
  await put(['1', '2', '3', '4'], 'a')
  const [first] = jsonLines((await runHere(['get', 'orders', '--json'], { environment })).stdout)
  const args = ['tail', `orders/${first?.['shardId']}`, '--from', '3', '--limit', '2', '--raw']
  const numbered = startCli(args, { environment })
  const out = new Transcript(numbered.stdout as NodeJS.ReadableStream)
  await once(numbered, 'close')
  expect(out.text).toBe('3\n4\n')
  const unnamed = tail('--from', '3')
  await unnamed.closed
  expect(unnamed.child.exitCode).toBe(2)
  expect(unnamed.stderr.text).toContain('orders has 4 shards, and a sequence number belongs to one')
  expect(unnamed.stderr.text).toContain('orders/0@3')
})

it('from now on goes on across a broker that is killed and comes back', async () => {
  const { served, data, put, tail } = await broker()
  await put(['before'], 'a')
  const tailing = tail()
  // What comes first says that it reads.
  let n = 0
  while (tailing.data().length === 0) {
    await put([String(n)], 'a')
    n += 1
  }
  await tailing.stdout.until(() => tailing.data().at(-1) === String(n - 1))
  const seen = tailing.data()
  await served.stop('SIGKILL')
  await tailing.stderr.until((it) => it.includes('the connection was lost'))
  const again = await serve(['--data', data, '--listen', `127.0.0.1:${served.port}`])
  await put(['later', 'last'], 'a')
  await tailing.stdout.until((it) => it.includes('"last"'))
  expect(seen).not.toContain('before')
  expect(tailing.data()).toEqual([...seen, 'later', 'last'])
  tailing.child.kill('SIGTERM')
  await tailing.closed
  expect(await again.stop()).toBe(0)
})

it('goes on across a broker that is killed and comes back', async () => {
  const { served, data, put, tail } = await broker()
  await put(['1', '2'], 'a')
  const tailing = tail('--from', 'oldest')
  await tailing.until(2)
  await served.stop('SIGKILL')
  await tailing.stderr.until((it) => it.includes('the connection was lost'))
  const again = await serve(['--data', data, '--listen', `127.0.0.1:${served.port}`])
  await put(['3', '4'], 'a')
  await tailing.until(4)
  expect(tailing.data()).toEqual(['1', '2', '3', '4'])
  tailing.child.kill('SIGTERM')
  await tailing.closed
  expect(tailing.child.exitCode).toBe(0)
  expect(await again.stop()).toBe(0)
})

it('ends quietly when nobody reads on', async () => {
  const { put, tail } = await broker()
  const lines = Array.from({ length: 5000 }, (_, n) => `a line that is long enough ${n}`)
  await put(lines, 'a')
  const tailing = tail('--from', 'oldest')
  tailing.child.stdout?.once('data', () => tailing.child.stdout?.destroy())
  await tailing.closed
  expect(tailing.stderr.text).toBe('')
  expect(tailing.child.exitCode).toBe(0)
})

it('from now on misses nothing that is put after it said so', async () => {
  const { served, tail } = await broker()
  const client = await connect(served.url)
  await client.put('orders', { key: 'a', data: Buffer.from('before') })
  const tailing = tail()
  // Asked of the broker: the tail is connected, and has read from each shard.
  let n = 0
  while (tailing.data().length === 0) {
    await client.put('orders', { key: 'a', data: Buffer.from(String(n)) })
    n += 1
  }
  await client.put('orders', { key: 'a', data: Buffer.from('last') })
  await tailing.stdout.until((it) => it.includes('"last"'))
  const seen = tailing.data()
  const first = Number(seen[0])
  const expected = Array.from({ length: n - first }, (_, index) => String(first + index))
  expect(seen).toEqual([...expected, 'last'])
  await client.close()
})
