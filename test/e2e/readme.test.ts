/** Every command and every example of README.md runs, and does what is said beside it. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { runHere } from '../support/run-here.ts'
import { program, type Served, serve, Transcript, temporaryDirectory } from './cli-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const usualUrl = 'ws://127.0.0.1:4570'

function blocks(language: string): string[] {
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g')
  return Array.from(readme.matchAll(fence), ([, text = '']) => text)
}

/** The one example that has this in it. */
function example(mark: string): string {
  const [found, ...others] = blocks('js').filter((it) => it.includes(mark))
  if (found === undefined || others.length > 0) throw new Error(`${mark}: wanted one example`)
  return found
}

/** A folder inside of the package, where its own name leads to what was built. */
function packageFolder(): string {
  mkdirSync(join(root, 'build'), { recursive: true })
  const folder = mkdtempSync(join(root, 'build', 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function runExample(text: string): string[] {
  const folder = packageFolder()
  writeFileSync(join(folder, 'example.mjs'), text)
  const printed = execFileSync(process.execPath, ['example.mjs'], { cwd: folder, encoding: 'utf8' })
  return printed.trim().split('\n')
}

/** What an example leaves out that another one has. */
function connected(url: string, text: string): string {
  const head = `import { connect } from 'millrace/client'\nconst client = await connect('${url}')\n`
  return `${head}${text}\nawait client.close()\n`
}

/** Runs one that does not end by itself; it is killed with the test. */
function startExample(text: string): Transcript {
  const folder = packageFolder()
  writeFileSync(join(folder, 'example.mjs'), text)
  const child = spawn(process.execPath, ['example.mjs'], { cwd: folder })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return new Transcript(child.stdout)
}

async function brokerWithOrders(): Promise<Served> {
  const data = join(temporaryDirectory(), 'data')
  return await serve(['--data', data, '--create', 'orders'])
}

describe('the examples', () => {
  it('of an embedded broker', () => {
    expect(runExample(example('Millrace.open'))).toEqual([
      'shardId-000000000000 1n disk',
      'customer-7 order 1',
    ])
  })

  it('of a client in Node', async () => {
    const { url } = await brokerWithOrders()
    expect(runExample(example('client.producer').replace(usualUrl, url))).toEqual([
      'customer-7 has 100 orders',
    ])
  })

  it('of workers that share a stream', async () => {
    const { url } = await brokerWithOrders()
    const environment = { MILLRACE_URL: url }
    await runHere(['put', 'orders', '--key', 'customer-7', 'order 1'], { environment })
    const worker = startExample(example("consumer: 'billing', from").replace(usualUrl, url))
    await worker.until((it) => it.includes('bill customer-7 for order 1\n'))
    await runHere(['put', 'orders', '--key', 'customer-8', 'order 2'], { environment })
    await worker.until((it) => it.includes('bill customer-8 for order 2\n'))
    expect(worker.lines()).toHaveLength(2)
  })

  it('of a subscription', async () => {
    const { url } = await brokerWithOrders()
    await runHere(['put', 'orders', '--key', 'a', 'one'], { environment: { MILLRACE_URL: url } })
    const text = connected(url, example('catching-up, live'))
    const [first, record, ...rest] = runExample(text)
    expect(record).toMatch(/^shardId-00000000000\d 1n a one$/)
    expect([first, ...rest]).toEqual(['catching-up', 'live', 'closed'])
  })

  it('of streams that live', async () => {
    const folder = temporaryDirectory()
    const keyFile = join(folder, 'millrace.keys')
    expect((await runHere(['key', 'new', '2026-11', '--key-file', keyFile])).status).toBe(0)
    const { url } = await serve(['--data', join(folder, 'data'), '--key-file', keyFile])
    expect(runExample(connected(url, example('splitShard')))).toEqual([
      '2 new shards, then 4 in all',
      'ON_DEMAND 168 2026-11',
    ])
  })

  it('of checkpoints that are set by hand', async () => {
    const { url } = await brokerWithOrders()
    const environment = { MILLRACE_URL: url }
    const worker = startExample(connected(url, example("checkpoints: 'manual'")))
    await worker.until((it) => it.split('mine:').length === 5)
    await runHere(['put', 'orders', '--key', 'a', '--whole'], { environment, input: 'one' })
    await worker.until((it) => it.includes('{ a: 1 }'))
    const info = () => runHere(['consumer', 'info', 'orders', 'billing', '--json'], { environment })
    await vi.waitFor(
      async () => expect((await info()).stdout).toMatch(/"nextSequenceNumber":"?2\b/),
      { timeout: 20_000, interval: 100 },
    )
  })

  it('of records that a handler fails on', async () => {
    const { url } = await brokerWithOrders()
    const environment = { MILLRACE_URL: url }
    await runHere(['stream', 'create', 'orders-failed'], { environment })
    const lines = ['--key-separator', ':']
    await runHere(['put', 'orders', ...lines], { environment, input: 'a:1\na:x\na:2\n' })
    const worker = startExample(example('handleBatches').replace(usualUrl, url))
    await worker.until((it) => it.includes('put aside: SyntaxError') && it.includes('ship 2'))
    const failed = await runHere(['get', 'orders-failed', '--raw'], { environment })
    expect(failed.stdout).toMatch(/^x\n?$/)
  })

  it('of the log alone', () => {
    expect(runExample(example('openLog'))).toEqual([
      'from 1, durability disk',
      '1n customer-7 order 1',
      '2n customer-7 order 2',
      '3n customer-7 order 3',
    ])
  })

  it('of a page, which reads on where it was after a reload', async () => {
    const { url } = await brokerWithOrders()
    const environment = { MILLRACE_URL: url }
    const folder = packageFolder()
    const page = join(folder, 'page.mjs')
    const source = example('localStorage').replace(usualUrl, url)
    // As a bundler for browsers does; what a browser has and Node has not is put in front of it.
    writeFileSync(join(folder, 'source.mjs'), source)
    await build({
      entryPoints: [join(folder, 'source.mjs')],
      outfile: page,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      alias: { 'millrace/client': join(root, 'dist/client/browser.js') },
    })
    writeFileSync(join(folder, 'start.mjs'), fakeBrowser)
    const load = async (count: number) => {
      const child = spawn(process.execPath, ['start.mjs'], { cwd: folder })
      const shown = new Transcript(child.stdout)
      // The token is kept when the batch is through.
      await shown.until((it) => it.split('kept').length > count)
      child.kill('SIGKILL')
      await once(child, 'close')
      return shown.lines().filter((it) => it !== 'kept')
    }
    await runHere(['put', 'orders', '--key', 'a', 'one'], { environment })
    expect(await load(1)).toEqual(['a: one'])
    await runHere(['put', 'orders', '--key', 'a', 'two'], { environment })
    expect(await load(1)).toEqual(['a: two'])
  })
})

/** Runs the page with the few things of a browser that it uses; its storage is a file. */
const fakeBrowser = `
import { readFileSync, writeFileSync, existsSync } from 'node:fs'
import { WebSocket } from 'ws'
globalThis.WebSocket = WebSocket
globalThis.document = { body: { append: (text) => console.log(text.trim()) } }
globalThis.localStorage = {
  getItem: () => (existsSync('storage') ? readFileSync('storage', 'utf8') : null),
  setItem: (_, value) => {
    writeFileSync('storage', value)
    console.log('kept')
  },
}
await import('./page.mjs')
`

/** Commands of the blocks for a shell, without their comments. */
const commands = blocks('sh').flatMap((block) =>
  block
    .split('\n')
    .map((line) => line.replace(/ {2,}#.*$/, '').trim())
    .filter((line) => line !== ''),
)

describe('the commands', () => {
  const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts

  it('are those that are run here', () => {
    const others = commands.filter((it) => !it.startsWith('npx millrace '))
    expect(others).toEqual(['npm ci && npm run demo', 'npm ci && npm test'])
    // .ci/run does what the second says, from a fresh checkout; the next test does the first.
    expect(scripts.demo).toBe('node dist/cli/demo/main.js')
    expect(scripts.test).toBe('vitest run')
  })

  it('the demonstration loses nothing', () => {
    const args = ['dist/cli/demo/main.js', '--once', '--records', '30000']
    const printed = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
    expect(printed.trim().split('\n').at(-1)).toBe(
      'demo: 30000 put, 30000 delivered, 0 lost, 0 duplicated, 0 out of order',
    )
  }, 120_000)

  it('of millrace work as they stand there, one after the other', async () => {
    const cwd = temporaryDirectory()
    // A broker that was started with a key file, before there was a key in it.
    writeFileSync(join(cwd, 'millrace.keys'), '', { mode: 0o600 })
    const settings = ['--data', './millrace-data', '--key-file', './millrace.keys']
    const served = await serve(['--create', 'orders', ...settings], { cwd })
    const shim = join(cwd, 'npx')
    writeFileSync(shim, `#!/bin/sh\nshift\nexec "${process.execPath}" "${program}" "$@"\n`)
    chmodSync(shim, 0o755)
    writeFileSync(join(cwd, 'flights.csv'), 'JFK:one\nLAX:two\nJFK:three\n')
    const environment = {
      PATH: `${cwd}:${process.env['PATH'] ?? ''}`,
      MILLRACE_URL: served.url,
      MILLRACE_LISTEN: `127.0.0.1:${served.port}`,
    }
    let stopped = false
    for (const command of commands) {
      if (!command.startsWith('npx millrace ') || command.includes(' serve ')) continue
      if (command.includes(' verify ')) stopped = (await served.stop()) === 0
      // `exec`: a signal is to reach the program and not the shell.
      const child = spawn('/bin/sh', ['-c', `exec ${command}`], { cwd, env: environment })
      const stdout = new Transcript(child.stdout)
      const stderr = new Transcript(child.stderr)
      const closed = once(child, 'close')
      // The one that never ends by itself is stopped as its user would.
      if (command.endsWith('tail orders --from oldest')) {
        await stdout.until((text) => text.includes('hello'))
        child.kill('SIGINT')
      }
      await closed
      const said = `${command}: ${stdout.text}${stderr.text}`
      expect([said, child.exitCode]).toEqual([said, 0])
      expect(stderr.text).not.toContain('error')
    }
    expect(stopped).toBe(true)
  }, 120_000)
})

describe('what the package exports', () => {
  const {
    exports: entries,
    bin,
    files,
  } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

  it('is there when it is built', () => {
    const targets = JSON.stringify([entries, bin]).match(/\.\/dist\/[^"]+/g) ?? []
    expect(targets.length).toBeGreaterThan(8)
    for (const target of targets) expect(readFileSync(join(root, target)).length).toBeGreaterThan(0)
    expect(files).toContain('dist')
  })

  it('starts a broker in a program', () => {
    const text = `
      import { Broker, createLogger, startServer } from 'millrace/server'
      import { connect } from 'millrace/client'
      const broker = await Broker.open({ dir: './data' })
      const logger = createLogger({ level: 'silent' })
      const server = await startServer({ broker, port: 0, logger, version: '1' })
      const client = await connect(server.url)
      await client.createStream('orders')
      console.log((await client.listStreams()).streamSummaries.length)
      await client.close()
      await server.stop()
      await broker.close()
    `
    expect(runExample(text)).toEqual(['1'])
  })
})
