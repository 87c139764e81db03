/** The examples for Node, as their comments say to run them. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { type Served, serve, Transcript, temporaryDirectory } from './cli-process.ts'

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))

interface Example {
  readonly child: ChildProcess
  readonly stdout: Transcript
  readonly stderr: Transcript
  /** Ends it as its user would, or otherwise, and answers its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

function run(served: Served, name: string, args: readonly string[], cwd: string): Example {
  const environment = { ...process.env, MILLRACE_URL: served.url }
  const child = spawn(process.execPath, [join(examples, name), ...args], { cwd, env: environment })
  const closed = once(child, 'close')
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return {
    child,
    stdout: new Transcript(child.stdout),
    stderr: new Transcript(child.stderr),
    stop: async (signal = 'SIGINT') => {
      child.kill(signal)
      await closed
      return child.exitCode
    },
  }
}

async function brokerWithOrders(shards = 1) {
  const data = join(temporaryDirectory(), 'data')
  const served = await serve(['--data', data, '--create', `orders:${shards}`])
  const client = await connect(served.url)
  onTestFinished(() => client.close())
  const put = (key: string, text: string) =>
    client.put('orders', { key, data: Buffer.from(text) }, { durability: 'os' })
  return { served, client, put }
}

test('subscribe.mjs prints what comes, and goes on where it was', async () => {
  const { served, put } = await brokerWithOrders()
  const cwd = temporaryDirectory()
  await put('a', 'one')
  const first = run(served, 'subscribe.mjs', ['orders'], cwd)
  await first.stdout.until((it) => it.includes('a: one'))
  await put('a', 'two')
  await first.stdout.until((it) => it.includes('a: two'))
  expect(await first.stop()).toBe(0)
  expect(first.stderr.text).toBe('connection: closed\n')
  await put('a', 'three')
  const second = run(served, 'subscribe.mjs', ['orders'], cwd)
  await second.stdout.until((it) => it.includes('three'))
  expect(second.stdout.lines()).toEqual(['shardId-000000000000@3 a: three'])
  expect(await second.stop()).toBe(0)
})

test('consumer-group.mjs shares the work, and bears a kill', async () => {
  const { served, put } = await brokerWithOrders(4)
  const start = () =>
    run(served, 'consumer-group.mjs', ['orders', 'billing', '1000'], temporaryDirectory())
  const [a, b] = [start(), start()]
  const acquired = (it: Example) => it.stderr.text.split('acquired').length - 1
  await Promise.all([a, b].map((it) => it.stderr.until(() => acquired(it) >= 2)))
  for (let i = 0; i < 100; i += 1) await put(`key-${i}`, `${i}`)
  const handled = (...all: Example[]) =>
    new Set(all.flatMap((it) => it.stdout.lines().map((line) => line.split(': ')[1])))
  await Promise.race([a, b].map((it) => it.stdout.until(() => handled(a, b).size === 100)))
  await a.stop('SIGKILL')
  for (let i = 100; i < 200; i += 1) await put(`key-${i}`, `${i}`)
  await b.stdout.until(() => handled(a, b).size === 200)
  expect(await b.stop()).toBe(0)
  // What was closed in an orderly way is not handled again.
  await put('key', 'last')
  const c = start()
  await c.stdout.until((it) => it.includes('last'))
  expect(c.stdout.lines().map((line) => line.split(': ')[1])).toEqual(['last'])
  expect(await c.stop()).toBe(0)
})

test('each example says how it is run', () => {
  for (const [name, command] of [
    ['subscribe.mjs', 'node examples/subscribe.mjs orders'],
    ['consumer-group.mjs', 'node examples/consumer-group.mjs orders billing'],
    ['browser/serve.mjs', 'node examples/browser/serve.mjs'],
  ] as const) {
    expect(readFileSync(join(examples, name), 'utf8')).toContain(command)
  }
})
