/** What is set of a stream on the command line, against a running broker. */

import { expect, it } from 'vitest'
import { ordersHere } from './orders-here.ts'

async function broker() {
  const { run } = await ordersHere()
  return (...args: string[]) => run(args)
}

const done = (stdout: string) => ({ status: 0, stdout: `${stdout}\n`, stderr: '' })

it('how long and how much is kept is set, shown and bounded', async () => {
  const run = await broker()
  const retention = (...args: string[]) => run('stream', 'retention', 'orders', ...args)
  expect(await retention()).toEqual(done('orders keeps records for 24 hours'))
  expect(await retention('7d', '--bytes', '1.5GiB')).toEqual(
    done('orders keeps records for 7 days, at most 1.5 GiB'),
  )
  expect(await retention('36')).toEqual(done('orders keeps records for 36 hours, at most 1.5 GiB'))
  const info = await run('stream', 'info', 'orders')
  expect(info.stdout).toMatch(/^retention +36 hours, at most 1\.5 GiB$/m)
  const json = JSON.parse((await retention('--bytes', 'none', '--json')).stdout)
  expect(json).toEqual({ streamName: 'orders', retentionPeriodHours: 36 })
  const short = await retention('1')
  expect(short.stderr).toMatch(/^error: INVALID_ARGUMENT: Minimum allowed .* 24 hours/)
  expect([short.status, (await retention('1')).stdout]).toEqual([2, ''])
  for (const args of [['soon'], ['--bytes', 'much'], ['--bytes', '10']]) {
    const wrong = await retention(...args)
    expect(wrong.stderr).toMatch(/^error: USAGE: .*(?:soon|much|10).*wanted/)
    expect(wrong.status).toBe(2)
  }
})

it('mode, record size and tags are set, and limits are shown', async () => {
  const run = await broker()
  expect(await run('stream', 'mode', 'orders')).toEqual(done('orders is ON_DEMAND'))
  expect(await run('stream', 'mode', 'orders', 'provisioned')).toEqual(
    done('orders is PROVISIONED'),
  )
  expect(await run('stream', 'mode', 'orders', 'on-demand')).toEqual(done('orders is ON_DEMAND'))
  const third = await run('stream', 'mode', 'orders', 'provisioned')
  expect(third.stderr).toMatch(/^error: LIMIT_EXCEEDED: .*switched 2 times within 24 hours/)
  expect((await run('stream', 'mode', 'orders', 'fast')).status).toBe(2)
  expect(await run('stream', 'record-size', 'orders', '4MiB')).toEqual(
    done('records of orders have at most 4.0 MiB of key and data'),
  )
  expect((await run('stream', 'record-size', 'orders', '1GiB')).stderr).toMatch(/1\.0 MiB to 10\.0/)
  const size = JSON.parse((await run('stream', 'record-size', 'orders', '--json')).stdout)
  expect(size).toEqual({ streamName: 'orders', recordBytesMax: 4 * 1024 * 1024 })
  const tags = await run('stream', 'tag', 'orders', 'team=shop', 'stage=test')
  expect(tags).toEqual(done('stage=test\nteam=shop'))
  expect(await run('stream', 'tag', 'orders', '--remove', 'stage', '--remove', 'team')).toEqual({
    status: 0,
    stdout: '',
    stderr: 'orders has no tags\n',
  })
  expect((await run('stream', 'tag', 'orders', 'team')).stderr).toMatch(
    /^error: USAGE: .*KEY=VALUE/,
  )
  const limits = JSON.parse((await run('stream', 'limits', '--json')).stdout)
  expect(limits).toMatchObject({ openShardCount: 2, onDemandStreamCount: 1 })
  expect((await run('stream', 'limits')).stdout).toMatch(/^shards +2 open, at most 1,000,000$/m)
})

it('sizes have units, and a closed shard that has nothing is empty', async () => {
  const run = await broker()
  const size = ['--record-bytes-max', '2MiB']
  const created = await run('stream', 'create', 'trains', '--mode', 'provisioned', ...size)
  expect(created.status).toBe(0)
  await run('put', 'trains', '--key', 'k', 'one')
  for (const shard of ['0', '1', '2', '3']) {
    expect((await run('stream', 'split', 'trains', shard)).status).toBe(0)
  }
  const { stdout } = await run('stream', 'info', 'trains')
  expect(stdout).toMatch(/^records +at most 2\.0 MiB of key and data$/m)
  expect(stdout.match(/ closed, empty$/gm)).toHaveLength(3)
  expect(stdout.match(/ closed, 1 to 1$/gm)).toHaveLength(1)
  const wrong = await run('stream', 'create', 'planes', '--record-bytes-max', '2')
  expect(wrong.stderr).toMatch(
    /^error: USAGE: --record-bytes-max is "2", wanted 1\.0 MiB to 10\.0 MiB/,
  )
})

it('metrics of shards: all but some, and none but some', async () => {
  const run = await broker()
  await run('stream', 'create', 'limited', '--mode', 'provisioned')
  expect((await run('stream', 'info', 'limited')).stdout).toMatch(
    /^limited {2}ACTIVE {2}PROVISIONED$/m,
  )
  const monitor = async (...args: string[]) =>
    JSON.parse((await run('stream', 'monitor', 'limited', '--json', ...args)).stdout)
      .shardLevelMetrics as string[]
  expect(await monitor('--enable', 'all')).toHaveLength(7)
  expect((await run('stream', 'info', 'limited')).stdout).toMatch(/^metrics +all, of each shard$/m)
  expect(await monitor('--enable', 'ALL', '--disable', 'OutgoingBytes')).toHaveLength(6)
  expect(await monitor('--disable', 'ALL', '--enable', 'IncomingBytes')).toEqual(['IncomingBytes'])
  expect((await run('stream', 'info', 'limited')).stdout).toMatch(/^metrics +IncomingBytes$/m)
})

it('a record for which a shard has no room is put again, until it is stored', async () => {
  const { run } = await ordersHere()
  expect((await run(['stream', 'mode', 'orders', 'provisioned'])).status).toBe(0)
  expect((await run(['stream', 'record-size', 'orders', '10MiB'])).status).toBe(0)
  // A tank of 10 MiB is empty after the first one, and gets 1 MiB a second.
  const put = (mebibytes: number) =>
    run(['put', 'orders', '--key', 'k', '--whole'], 'x'.repeat(mebibytes * 1024 * 1024 - 1))
  expect(await put(10)).toMatchObject({ status: 0, stderr: '' })
  const second = await put(6)
  expect(second.stderr).toMatch(/^warning: the shard is at its limit: trying again in \d/)
  expect(second).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/@2 {2}durability disk/),
  })
})
