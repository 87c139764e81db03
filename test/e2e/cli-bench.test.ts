/** `millrace bench`, with loads so small that they measure nothing: that it works and verifies. */

import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { connect } from '../../src/client/node.ts'
import type { Ended } from '../support/run-here.ts'
import { jsonLines, runCli, serve, startCli, temporaryDirectory } from './cli-process.ts'

const short = ['--duration', '300ms', '--warm-up', '100ms', '--keys', '5']
/** What a broker says that a test has started as root. */
const ofRoot = /^\{.*"INSECURE: this broker has rights of root"\}\n/gm
const few = ['--records', '400', '--batch', '50', '--keys', '5']

/** Runs a bench on a broker of its own in a folder that it has to leave empty. */
async function ownBroker(...args: string[]): Promise<Ended> {
  const folder = temporaryDirectory()
  const ended = await runCli(['bench', ...args, '--start', folder])
  expect(readdirSync(folder)).toEqual([])
  return ended
}

function rowOf({ status, stdout, stderr }: Ended): Record<string, unknown> {
  expect([stderr.replace(ofRoot, ''), status]).toEqual(['', 0])
  const rows = jsonLines(stdout)
  expect(rows).toHaveLength(1)
  return rows[0] as Record<string, unknown>
}

describe('on a broker of its own', () => {
  it.each([
    ['put', ['--rate', '500', ...short], ['put to acknowledgement']],
    ['put', ['--rate', 'max', ...short], undefined],
    ['get', ['--rate', '5000', ...few], ['request to answer']],
    ['get', ['--rate', 'max', ...few], undefined],
    ['sub', ['--rate', '500', '--subscribers', '3', ...short], ['put to push']],
    ['sub', ['--rate', 'max', '--subscribers', '2', ...short], undefined],
    ['e2e', ['--rate', '500', ...short], ['put to acknowledgement', 'put to push']],
  ])('%s %j measures and verifies', async (kind, args, times) => {
    const row = rowOf(await ownBroker(kind, '--json', '--durability', 'os', ...args))
    expect(row).toMatchObject({
      id: `bench-${kind}`,
      unit: 'records/s',
      peers: [],
      verified: true,
      refusedRecords: 0,
      params: { keys: 5, shards: 4, durability: 'os', recordBytes: 100 },
      cpuSeconds: { broker: expect.any(Number), generator: expect.any(Number) },
    })
    expect(row['value']).toBeGreaterThan(0)
    expect(row['putRecords']).toBeGreaterThanOrEqual(100)
    const percentiles = row['percentiles'] as Record<string, Record<string, number>> | undefined
    expect(percentiles && Object.keys(percentiles)).toEqual(times)
    for (const { p50, p99, max, count } of Object.values(percentiles ?? {}) as never[]) {
      expect(p50).toBeGreaterThan(0)
      expect(p99).toBeGreaterThanOrEqual(p50)
      expect(max).toBeGreaterThanOrEqual(p99)
      expect(count).toBeGreaterThan(0)
    }
  })

  it('has none of the settings of the broker of its user', async () => {
    const cwd = temporaryDirectory()
    writeFileSync(join(cwd, 'millrace.json'), '{"accessFile": "missing.json", "ephemeral": true}')
    const environment = { MILLRACE_TLS_CERT_FILE: 'missing.pem', MILLRACE_LOG_LEVEL: 'error' }
    const args = ['bench', 'put', '--json', '--rate', '500', ...short, '--start', '.']
    const row = rowOf(await runCli(args, { cwd, environment }))
    expect(row).toMatchObject({ verified: true, params: { durability: 'disk' } })
    expect(readdirSync(cwd)).toEqual(['millrace.json'])
  })

  it('compares, tells parameters and machine, and shows a line a second', async () => {
    const args = ['put', '--rate', '300', '--duration', '1500ms', '--warm-up', '0ms']
    const first = await ownBroker(...args, '--json')
    const earlier = join(temporaryDirectory(), 'earlier.json')
    writeFileSync(earlier, first.stdout)
    const { status, stdout, stderr } = await ownBroker(...args, '--compare', earlier)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^broker +ws:\S+, started for this run, data in /m)
    expect(stdout).toMatch(/^machine .* x \d+, .*Node v\d+/m)
    expect(stdout).toContain('put 300 records/s by a timetable (open loop); 100 B of data')
    expect(stdout).toMatch(/^latency +put to acknowledgement: p50 .*, p99\.99 .*, max /m)
    expect(stdout).toMatch(/^verified +450 records: nothing lost, repeated, out of order/m)
    expect(stdout).toMatch(/^compared +with the run of 20\S+Z$/m)
    expect(stdout).toMatch(/^ +\d+\.\d\d x {2}put to acknowledgement, p99: /m)
    expect(stderr).toMatch(/^ +1 s +put +[\d,]+\/s/m)
  })
})

describe('on a broker that runs', () => {
  async function running() {
    const data = join(temporaryDirectory(), 'data')
    const served = await serve(['--data', data, '--create', 'orders:2'])
    return { served, environment: { MILLRACE_URL: served.url } }
  }

  it('leaves its streams as they were, and passes over what others put', async () => {
    const { served, environment } = await running()
    const client = await connect(served.url)
    const own = await runCli(['bench', 'put', '--rate', '500', ...short], { environment })
    expect(own.status).toBe(0)
    const { streamSummaries } = await client.listStreams()
    // The one of the run may still be on its way out.
    const kept = streamSummaries.filter((it) => it.streamStatus !== 'DELETING')
    expect(kept.map((it) => it.streamName)).toEqual(['orders'])
    for (let n = 0; n < 20; n += 1)
      await client.put('orders', { key: 'a', data: Buffer.alloc(100) })
    const args = ['bench', 'get', '--stream', 'orders', '--json', ...few]
    const row = rowOf(await runCli(args, { environment }))
    expect(row).toMatchObject({ verified: true, params: { shards: 2 } })
    await client.close()
  })

  it.each(['put', 'sub'])(
    '%s ends with 8, and without a figure, when a record comes twice',
    async (kind) => {
      const { served, environment } = await running()
      const client = await connect(served.url)
      const subscription = client.subscribe('orders', { from: 'latest' })
      await subscription.ready()
      const args = ['--stream', 'orders', '--rate', '200', '--duration', '1s', '--warm-up', '0ms']
      const run = runCli(['bench', kind, ...args], { environment })
      // The first record of the run again, as a broker would deliver it that repeats.
      for await (const batch of subscription) {
        const [record] = batch
        if (record === undefined) continue
        const data = Uint8Array.from(record.data)
        await client.put('orders', { key: record.partitionKey, data })
        break
      }
      const { status, stdout, stderr } = await run
      expect(stderr).toMatch(/error: VERIFICATION_FAILED: of 200 records.*: \d+ repeated\n/)
      expect(stdout).not.toContain('records/s:')
      expect(status).toBe(8)
      await client.close()
    },
  )

  it('says that there is none, or no such stream, with their own codes', async () => {
    const { served, environment } = await running()
    const args = ['bench', 'put', '--stream', 'nowhere']
    expect((await runCli(args, { environment })).status).toBe(3)
    await served.stop()
    expect((await runCli(['bench', 'put'], { environment })).status).toBe(6)
  })

  it('ends at once, and takes its broker and its data with it, when it is stopped', async () => {
    const folder = temporaryDirectory()
    const child = startCli(['bench', 'put', '--duration', '10m', '--start', folder])
    const ended = new Promise((resolve) => child.once('close', resolve))
    await new Promise((resolve) => child.stderr?.once('data', resolve))
    child.kill('SIGINT')
    await ended
    expect(child.exitCode).toBe(130)
    expect(readdirSync(folder)).toEqual([])
  })
})
