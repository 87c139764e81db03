/** Three workers in processes of their own, of which one is killed; brokers that go; a reshard. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type Client, connect } from '../../src/client/node.ts'
import { BrokerPlace } from './broker-place.ts'
import { Transcript } from './cli-process.ts'

const example = fileURLToPath(new URL('../../examples/consumer-group.mjs', import.meta.url))

/** What all workers have handled, in the order in which it was heard of. */
class Handled {
  readonly byKey = new Map<string, number[]>()
  readonly counts = new Map<number, number>()

  take(line: string): void {
    const [, key, text] = /^\S+ (\S+): (\d+)$/.exec(line) ?? []
    if (key === undefined) throw new Error(`no line of a worker: ${line}`)
    const number = Number(text)
    const times = this.counts.get(number) ?? 0
    this.counts.set(number, times + 1)
    if (times > 0) return
    this.byKey.set(key, [...(this.byKey.get(key) ?? []), number])
  }

  async until(count: number): Promise<void> {
    while (this.counts.size < count) await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function startWorker(url: string, handled: Handled) {
  const child = spawn(process.execPath, [example, 'orders', 'billing', '1500'], {
    env: { ...process.env, MILLRACE_URL: url },
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const closed = once(child, 'close')
  const stderr = new Transcript(child.stderr)
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    const lines = (rest + part).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) handled.take(line)
  })
  return {
    stderr,
    stop: async (signal: NodeJS.Signals) => {
      child.kill(signal)
      await closed
      return child.exitCode
    },
  }
}

/** Splits one shard, and merges two others. */
async function reshard(client: Client): Promise<void> {
  await client.splitShard('orders', { shardToSplit: '0' })
  await client.untilActive('orders')
  await client.mergeShards('orders', { shardToMerge: '2', adjacentShardToMerge: '3' })
}

test('each record is handled at least once, the records of a key in order', async () => {
  const place = await BrokerPlace.open()
  onTestFinished(() => place.close())
  const client = await connect(place.url)
  onTestFinished(() => client.close())
  await client.createStream('orders', { shardCount: 4, streamMode: 'PROVISIONED' })
  const handled = new Handled()
  const workers = Array.from({ length: 3 }, () => startWorker(place.url, handled))
  await Promise.all(workers.map((it) => it.stderr.until((text) => text.includes('acquired'))))

  const keys = 23
  let put = 0
  const putMore = async (count: number) => {
    const producer = client.producer('orders')
    for (const end = put + count; put < end; put += 1) {
      await producer.put({ key: `key-${put % keys}`, data: Buffer.from(String(put)) })
    }
    await producer.close()
  }
  await putMore(1000)
  await handled.until(500)
  await workers[0]?.stop('SIGKILL')
  await putMore(1000)
  await reshard(client)
  await place.stop()
  await place.start()
  await putMore(1000)
  const late = startWorker(place.url, handled)
  workers.push(late)
  await putMore(1000)
  await late.stderr.until((text) => text.includes('acquired'))
  await handled.until(put)
  for (const it of workers.slice(1)) expect(await it.stop('SIGINT')).toBe(0)

  expect([...handled.counts.keys()].sort((a, b) => a - b)).toEqual([...Array(put).keys()])
  for (let key = 0; key < keys; key += 1) {
    const wanted = [...Array(put).keys()].filter((it) => it % keys === key)
    expect(handled.byKey.get(`key-${key}`)).toEqual(wanted)
  }
  const checkpoints = await client.getCheckpoints('orders', 'billing')
  const finished = checkpoints.filter((it) => it.nextSequenceNumber === undefined)
  expect(finished.map((it) => it.shardId.slice(-1))).toEqual(['0', '2', '3'])
  expect(await client.listLeases('orders', 'billing')).toEqual([])
})
