/** Commands against a running broker. */

import { describe, expect, it } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { jsonLines, runCli, serveOrders } from './cli-process.ts'
import { ordersHere } from './orders-here.ts'

describe('stream', () => {
  it('is created, listed, described and removed', async () => {
    const { run } = await ordersHere()
    const made = await run(['stream', 'create', 'flights', '--shards', '3', '--tag', 'team=air'])
    expect(made).toEqual({ status: 0, stdout: 'created flights with 3 shards\n', stderr: '' })
    const listed = jsonLines((await run(['stream', 'ls', '--json'])).stdout)
    expect(listed.map((it) => [it['streamName'], it['streamStatus']])).toEqual([
      ['flights', 'ACTIVE'],
      ['orders', 'ACTIVE'],
    ])
    const info = await run(['stream', 'info', 'flights'])
    expect(info.status).toBe(0)
    expect(info.stdout).toMatch(/^flights {2}ACTIVE {2}ON_DEMAND$/m)
    expect(info.stdout).toMatch(/^tags +team=air$/m)
    expect(info.stdout).toMatch(/^shards +3 open of 3$/m)
    expect(info.stdout).toMatch(/^ +shardId-000000000002 +66\.6 % to 100 % .* open, from 1$/m)
    const row = JSON.parse((await run(['stream', 'info', 'flights', '--json'])).stdout)
    expect(row).toMatchObject({ streamName: 'flights', openShardCount: 3 })
    expect(row.shards).toHaveLength(3)
    const removed = await run(['stream', 'rm', 'flights', '--yes', '--json'])
    expect(JSON.parse(removed.stdout)).toEqual({ stream: 'flights', deleted: true })
  })

  it('shows how hot its shards are, and what it would do by itself', async () => {
    const { run } = await ordersHere()
    const dry = (...args: string[]) => run(['stream', 'scale', ...args, '--dry-run'])
    const { stdout, status } = await dry('orders')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^orders is ON_DEMAND: 2 open shards, 4 to 64 allowed$/m)
    expect(stdout).toMatch(/^shard +hash keys +records\/s +bytes\/s +load$/m)
    expect(stdout).toMatch(/^shardId-000000000001 +50 % to 100 % .* +·{10}$/m)
    expect(stdout).toMatch(/^(?:- is not known yet|Measured over)/m)
    expect(stdout).toMatch(/^Changes nothing for another .* s\.$/m)
    const row = JSON.parse((await run(['stream', 'scale', 'orders', '--dry-run', '--json'])).stdout)
    expect(row).toMatchObject({ stream: 'orders', streamMode: 'ON_DEMAND', splitPercent: 50 })
    expect(row.shards).toHaveLength(2)
    expect((await run(['stream', 'scale', 'orders'])).stderr).toContain('--dry-run shows')
    await run(['stream', 'create', 'trains', '--mode', 'PROVISIONED', '--shards', '2'])
    expect((await dry('trains')).stdout).toContain('Its shards stay as they are')
    const scaled = (await dry('trains', '4')).stdout
    expect(scaled).toMatch(/^75 % to 100 % +\d+ +shardId-000000000001$/m)
    expect(scaled).toMatch(/^shardId-000000000000 +0 % to 50 % .* +·{10}$/m)
  })

  it('shows the measured heat of each shard beside what would move', async () => {
    const { run, url } = await ordersHere()
    const client = await connect(url)
    await client.createStream('trains', { shardCount: 2, streamMode: 'PROVISIONED' })
    const heat = async () =>
      JSON.parse((await run(['stream', 'split', 'trains', '0', '--dry-run', '--json'])).stdout)
        .shards as { recordsPerSecond: number; bytesPerSecond: number; measuredMillis: number }[]
    // The first look is what the next one is compared with.
    expect((await heat()).map((it) => it.measuredMillis)).toEqual([0, 0])
    const data = new Uint8Array(1000)
    const producer = client.producer('trains')
    for (let i = 0; i < 500; i += 1) await producer.put({ explicitHashKey: 0n, key: 'k', data })
    await producer.flush()
    let shards = await heat()
    while (shards.some((it) => it.measuredMillis === 0)) shards = await heat()
    const [hot, cold] = shards
    const records = ((hot?.recordsPerSecond ?? 0) * (hot?.measuredMillis ?? 0)) / 1000
    expect(records).toBeGreaterThan(450)
    expect(records).toBeLessThan(550)
    expect((hot?.bytesPerSecond ?? 0) / (hot?.recordsPerSecond ?? 0)).toBeCloseTo(1001, -2)
    expect(cold).toMatchObject({ recordsPerSecond: 0, bytesPerSecond: 0 })
    await client.close()
    const shown = (await run(['stream', 'split', 'trains', '0', '--dry-run'])).stdout
    expect(shown).toMatch(/^shardId-0+ +0 % to 50 % +[\d,.]+ +[\d.]+ \w*B +\d+ % /m)
    expect(shown).toMatch(/^Measured over /m)
  })

  it('is monitored shard by shard', async () => {
    const { run, url } = await ordersHere()
    const monitor = (...args: string[]) => run(['stream', 'monitor', 'orders', ...args])
    const none = { status: 0, stdout: 'no metrics of the shards of orders are told\n', stderr: '' }
    expect(await monitor()).toEqual(none)
    const some = await monitor('--enable', 'incomingrecords', '--enable', 'OutgoingRecords')
    const list = 'of each shard of orders:\n  IncomingRecords\n  OutgoingRecords\n'
    expect(some).toEqual({ status: 0, stdout: list, stderr: '' })
    await run(['put', 'orders', '--key', 'k', 'text'])
    const answer = await fetch(new URL('/metrics', url.replace('ws', 'http')))
    const metrics = await answer.text()
    expect(
      metrics.match(/^millrace_shard_append_records_total\{stream="orders",.*\} [01]$/gm),
    ).toHaveLength(2)
    expect((await run(['stream', 'info', 'orders'])).stdout).toMatch(
      /^metrics +IncomingRecords, OutgoingRecords$/m,
    )
    const other = await monitor('--disable', 'ALL', '--enable', 'IncomingBytes', '--json')
    expect(JSON.parse(other.stdout)).toEqual({
      streamName: 'orders',
      shardLevelMetrics: ['IncomingBytes'],
    })
    expect(await monitor('--disable', 'ALL')).toEqual(none)
    const wrong = await monitor('--enable', 'Bytes')
    expect(wrong.stderr).toMatch(/^error: USAGE: --enable is "Bytes", wanted one of IncomingBytes,/)
    expect(wrong.status).toBe(2)
  })

  it('says what is wrong, and exits accordingly', async () => {
    const { run } = await ordersHere()
    const taken = await run(['stream', 'create', 'orders'])
    expect(taken.stderr).toMatch(/^error: STREAM_EXISTS: .*orders.*\nhint: .*\n$/)
    expect(taken.status).toBe(5)
    const unknown = await run(['stream', 'info', 'nowhere'])
    expect(unknown.stderr).toMatch(/^error: STREAM_NOT_FOUND: Stream nowhere not found\.\nhint: /)
    expect(unknown.status).toBe(3)
    const wrong = await run(['stream', 'create', 'or/ders'])
    expect(wrong.stderr).toMatch(/^error: INVALID_ARGUMENT: .*\nhint: /)
    expect(wrong.status).toBe(2)
    const asked = await run(['stream', 'rm', 'orders'])
    expect(asked.stderr).toMatch(/^error: CONFIRMATION_NEEDED: .*\nhint: Add --yes\.\n$/)
    expect(asked.status).toBe(2)
    expect((await run(['stream', 'info', 'orders'])).status).toBe(0)
  })
})

describe('the shards of a stream', () => {
  const id = (index: number) => `shardId-00000000000${index}`

  it('are split, merged and scaled, or it is shown what would be', async () => {
    const { run } = await ordersHere()
    await run(['stream', 'create', 'flights', '--shards', '2', '--mode', 'PROVISIONED'])
    const half = String(2n ** 127n)
    const heat = [
      'What comes into its shards now:',
      expect.stringMatching(/^shard +hash keys +records\/s +bytes\/s +load$/),
      expect.stringMatching(/^shardId-0+ +0 % to 50 % /),
      expect.stringMatching(/^shardId-0+1 +50 % to 100 % /),
      '',
      expect.stringMatching(
        /^(?:- is not known yet: ask again in some seconds|Measured over .*)\.$/,
      ),
      '',
    ]
    const tried = await run(['stream', 'scale', 'flights', '3', '--dry-run'])
    expect(tried.status).toBe(0)
    expect(tried.stdout.split('\n')).toEqual([
      'flights would have these new shards:',
      expect.stringMatching(/^hash keys +first key +from$/),
      expect.stringMatching(/^0 % to 33\.3 % +0 +shardId-0+$/),
      expect.stringMatching(/^33\.3 % to 66\.6 % +\d+ +shardId-0+, shardId-0+1$/),
      expect.stringMatching(/^66\.6 % to 100 % +\d+ +shardId-0+1$/),
      ...heat,
    ])
    const same = await run(['stream', 'scale', 'flights', '2', '--dry-run'])
    expect(same.stdout.split('\n').slice(1)).toEqual(heat)
    const one = await run(['stream', 'split', 'flights', '1', '--dry-run'])
    expect(one.stdout).toMatch(/^What comes .*\n.*\nshardId-0+ .*\nshardId-0+1 .*\n$/m)
    const split = ['stream', 'split', 'flights', '1', '--at', String(2n ** 127n + 5n), '--json']
    const moves = [
      { startingHashKey: half, endingHashKey: String(2n ** 127n + 4n), shardIds: [id(1)] },
      {
        startingHashKey: String(2n ** 127n + 5n),
        endingHashKey: String(2n ** 128n - 1n),
        shardIds: [id(1)],
      },
    ]
    const shown = JSON.parse((await run([...split, '--dry-run'])).stdout)
    expect(shown).toMatchObject({ stream: 'flights', dryRun: true, moves })
    expect(shown.shards).toHaveLength(2)
    const done = JSON.parse((await run(split)).stdout)
    const made = moves.map((it, at) => ({ shardId: id(2 + at), ...it }))
    expect(done).toEqual({ stream: 'flights', dryRun: false, moves: made, openShardCount: 3 })
    const merged = await run(['stream', 'merge', 'flights', '0', '2'])
    expect([merged.status, merged.stderr]).toEqual([0, ''])
    const [head, titles, row] = merged.stdout.split('\n')
    expect(head).toBe('flights has 2 open shards, and these are new:')
    expect(titles).toMatch(/^shard +hash keys +from$/)
    expect(row).toMatch(/^shardId-0+4 +0 % to 50 % +shardId-0+, shardId-0+2$/)
    const scaled = await run(['stream', 'scale', 'flights', '4', '--json'])
    expect(JSON.parse(scaled.stdout)).toMatchObject({ currentShardCount: 2, openShardCount: 4 })
    expect((await run(['stream', 'scale', 'flights', '4'])).stdout).toBe(
      'flights has these shards already: nothing moves\n',
    )
    const info = await run(['stream', 'info', 'flights'])
    expect(info.stdout).toMatch(/^shards +4 open of \d+$/m)
    expect(info.stdout).toMatch(/^ +shardId-000000000002 .* closed, /m)
  })

  it('are refused with what is wrong', async () => {
    const { run } = await ordersHere()
    await run(['stream', 'create', 'flights', '--shards', '3', '--mode', 'PROVISIONED'])
    const cases: [string[], RegExp, number][] = [
      [['split', 'orders', '0'], /^error: INVALID_ARGUMENT: .* On-Demand mode\..*\nhint: /, 2],
      [['split', 'nowhere', '0'], /^error: STREAM_NOT_FOUND: /, 3],
      [['split', 'flights', '7'], /^error: SHARD_NOT_FOUND: Could not find shard /, 3],
      [
        ['split', 'flights', '0', '--at', '1'],
        /^error: INVALID_ARGUMENT: NewStartingHashKey 1 /,
        2,
      ],
      [['split', 'flights', '0', '--at', 'x'], /^error: USAGE: --at is "x", .*\nhint: /, 2],
      [['merge', 'flights', '1', '0'], /^error: INVALID_ARGUMENT: .* not an adjacent pair/, 2],
      [['scale', 'flights', '7'], /^error: INVALID_ARGUMENT: .* scale up over double /, 2],
      [['scale', 'flights', 'many'], /^error: USAGE: the number of shards is "many"/, 2],
    ]
    for (const [args, stderr, status] of cases) {
      const ended = await run(['stream', ...args])
      expect([args, ended.stdout, ended.status]).toEqual([args, '', status])
      expect(ended.stderr).toMatch(stderr)
    }
  })
})

describe('consumer', () => {
  it('is registered, listed, described and removed', async () => {
    const { run, url } = await ordersHere()
    expect(await run(['consumer', 'ls', 'orders'])).toEqual({
      status: 0,
      stdout: '',
      stderr: 'orders has no consumers\n',
    })
    const made = await run(['consumer', 'register', 'orders', 'billing', '--tag', 'team=shop'])
    expect(made).toEqual({
      status: 0,
      stdout: 'registered billing as a consumer of orders\n',
      stderr: '',
    })
    const row = {
      streamName: 'orders',
      consumerName: 'audit',
      consumerStatus: 'ACTIVE',
      consumerCreationTimestamp: expect.any(Number),
    }
    const second = await run(['consumer', 'register', 'orders', 'audit', '--json'])
    expect(JSON.parse(second.stdout)).toEqual(row)
    const listed = await run(['consumer', 'ls', 'orders'])
    expect(listed.stdout).toMatch(/^audit {4}ACTIVE {2}\d{4}-.*Z\nbilling {2}ACTIVE {2}.*Z\n$/)
    const rows = jsonLines((await run(['consumer', 'ls', 'orders', '--json'])).stdout)
    expect(rows.map((it) => it['consumerName'])).toEqual(['audit', 'billing'])

    const client = await connect(url)
    await client.acquireLeases('orders', 'audit', {
      workerId: 'worker-a',
      leaseMillis: 300_000,
      leasesMax: 1,
    })
    const checkpoint = { shardId: '0', nextSequenceNumber: 1n, leaseCounter: 1n }
    await client.setCheckpoint('orders', 'audit', checkpoint)
    await client.close()
    const info = await run(['consumer', 'info', 'orders', 'audit'])
    expect(info.stdout).toMatch(/^audit {2}ACTIVE {2}of orders\ncreated {4}\d{4}-/)
    const owned =
      /^ {2}shardId-0{12} {2}goes on at 1 +worker-a, lease 1, for another [45] min .* s$/m
    expect(info.stdout).toMatch(owned)
    expect(info.stdout).toMatch(/^ {2}shardId-0{11}1 {2}no checkpoint$/m)
    const json = JSON.parse((await run(['consumer', 'info', 'orders', 'audit', '--json'])).stdout)
    expect(json).toMatchObject({
      ...row,
      checkpoints: [{ shardId: 'shardId-000000000000', nextSequenceNumber: '1' }],
      leases: [{ workerId: 'worker-a', leaseCounter: '1' }],
    })

    const removed = await run(['consumer', 'rm', 'orders', 'audit', '--yes', '--json'])
    expect(JSON.parse(removed.stdout)).toEqual({
      streamName: 'orders',
      consumerName: 'audit',
      deleted: true,
    })
    const gone = await run(['consumer', 'info', 'orders', 'audit'])
    expect(gone.stderr).toMatch(/^error: CONSUMER_NOT_FOUND: Consumer audit of stream orders not /)
    expect(gone.status).toBe(3)
  })

  it('says what is wrong, and exits accordingly', async () => {
    const { run } = await ordersHere()
    await run(['consumer', 'register', 'orders', 'billing'])
    const cases: [string[], RegExp, number][] = [
      [['consumer', 'register', 'orders', 'billing'], /^error: CONSUMER_EXISTS: .*\nhint: /, 5],
      [['consumer', 'register', 'nowhere', 'c'], /^error: STREAM_NOT_FOUND: /, 3],
      [['consumer', 'register', 'orders', 'a/b'], /^error: INVALID_ARGUMENT: /, 2],
      [['consumer', 'ls', 'nowhere'], /^error: STREAM_NOT_FOUND: /, 3],
      [['consumer', 'rm', 'orders', 'billing'], /^error: CONFIRMATION_NEEDED: .*checkpoints.*/, 2],
      [['consumer', 'rm', 'orders', 'nobody', '--yes'], /^error: CONSUMER_NOT_FOUND: /, 3],
    ]
    for (const [args, stderr, status] of cases) {
      const ended = await run(args)
      expect([args, ended.stdout, ended.status]).toEqual([args, '', status])
      expect(ended.stderr).toMatch(stderr)
    }
  })

  it('keeps its stream, unless both are removed', async () => {
    const { run } = await ordersHere()
    await run(['consumer', 'register', 'orders', 'billing'])
    const kept = await run(['stream', 'rm', 'orders', '--yes'])
    expect(kept.stderr).toMatch(
      /^error: STREAM_IN_USE: .* has consumers: billing\..*--with-consumers/,
    )
    expect(kept.status).toBe(5)
    const asked = await run(['stream', 'rm', 'orders', '--with-consumers'])
    expect(asked.stderr).toMatch(
      /^error: CONFIRMATION_NEEDED: .*with its consumers.*\nhint: Add --yes/,
    )
    const removed = await run(['stream', 'rm', 'orders', '--with-consumers', '--yes'])
    expect(removed).toEqual({ status: 0, stdout: 'deleted orders\n', stderr: '' })
  })
})

it('exits 6 at once where there is no broker', async () => {
  const environment = { MILLRACE_URL: 'ws://127.0.0.1:4' }
  for (const args of [
    ['stream', 'ls'],
    ['put', 'orders', 'x'],
    ['tail', 'orders'],
  ]) {
    const ended = await runCli(args, { environment })
    expect(ended.stderr).toMatch(/^error: CONNECTION_LOST: .*ws:\/\/127\.0\.0\.1:4.*\nhint: /)
    expect(ended.status).toBe(6)
  }
  const { stderr } = await runCli(['stream', 'ls', '--json'], { environment })
  expect(JSON.parse(stderr).error).toMatchObject({ code: 'CONNECTION_LOST', retryable: true })
})

it('doctor finds the broker, and that the port is its own', async () => {
  const { served, data, run } = await serveOrders()
  const listen = `127.0.0.1:${served.port}`
  const { status, stdout } = await run(['doctor', '--data', data, '--listen', listen])
  expect(stdout).toMatch(new RegExp(`^ok +broker +ready at ${listen}$`, 'm'))
  expect(stdout).toMatch(new RegExp(`^ok +port +${listen} is the broker's$`, 'm'))
  expect(status).toBe(0)
})
