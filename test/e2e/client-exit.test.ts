import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BrokerPlace } from './broker-place.ts'

const entry = new URL('../../dist/client/node.js', import.meta.url).href

let place: BrokerPlace

beforeAll(async () => {
  place = await BrokerPlace.open()
})

afterAll(async () => {
  await place.close()
})

/** Runs a script of its own; what it has printed, once it has ended by itself. */
async function run(script: string, onLine: (line: string) => void = () => {}): Promise<string> {
  const source = `import { connect } from ${JSON.stringify(entry)}
    const url = ${JSON.stringify(place.url)}
    ${script}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const line of text.trim().split('\n')) onLine(line)
    })
  }
  const [code, signal] = await once(child, 'exit')
  expect({ code, signal }, output).toEqual({ code: 0, signal: null })
  return output
}

test('a script that is done ends at once: nothing of the client keeps it', async () => {
  const output = await run(`
    const client = await connect(url, { timeoutMillis: 60_000 })
    await client.createStream('done')
    const producer = client.producer('done', { lingerMillis: 5000 })
    await producer.put({ key: 'k', data: new Uint8Array(1) })
    await producer.close()
    const reader = client.read('done', { from: 'oldest' })
    for await (const batch of reader) break
    await client.listStreams({}, { signal: AbortSignal.timeout(60_000) })
    await client.close()
    const closed = performance.now()
    process.on('exit', () => console.log(performance.now() - closed < 500 ? 'soon' : 'late'))
  `)
  expect(output).toBe('soon\n')
})

test('a script whose broker is gone ends when it waits for nothing more', async () => {
  let stopped: Promise<void> | undefined
  const output = await run(
    `
    const client = await connect(url)
    client.on('state', (state) => console.log(state))
    await client.listStreams()
    console.log('ready')
    `,
    (line) => {
      if (line === 'ready') stopped = place.stop()
    },
  )
  expect(output).toBe('ready\nreconnecting\n')
  await stopped
  await place.start()
})

test('a script that waits for an answer waits for the broker, too', async () => {
  let stopped: Promise<void> | undefined
  let started: Promise<void> | undefined
  const output = await run(
    `
    const client = await connect(url)
    console.log('ready')
    while (client.state === 'open') await new Promise((resolve) => setTimeout(resolve, 1))
    console.log('gone')
    await client.listStreams()
    console.log('answered')
    await client.close()
    `,
    (line) => {
      if (line === 'ready') stopped = place.stop()
      if (line === 'gone') started = stopped?.then(() => place.start())
    },
  )
  await started
  expect(output).toBe('ready\ngone\nanswered\n')
})
