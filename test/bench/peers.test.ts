/** Peers beside our figures: what they say is read, what is not there is absent, never guessed. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

// Plain JavaScript without declarations, as the bench has no build step.
const load = async (name: string) =>
  await import(new URL(`../../bench/${name}.mjs`, import.meta.url).href)

const row = { id: 'I1', name: 'sealed batches', value: 20e6, unit: 'records/s' }
const figure = {
  name: 'Redis Streams',
  version: '7.0.15',
  what: 'XADD',
  durability: 'os',
  value: 1e6,
  unit: 'records/s',
  recordsPerCpuSecond: 1e6,
  check: '1 record counted',
}

describe('a figure of a peer', () => {
  it('is how many times theirs ours is, and judged', async () => {
    const { entryOf } = await load('peers/lib/compare')
    const judged = (must: number, aim: number, size: string, goal?: number) =>
      entryOf(row, { bars: { must, goal, aim } }, figure, size)
    expect(judged(10, 50, 'full')).toMatchObject({ ratio: 20, goal: { must: 10, verdict: 'must' } })
    expect(judged(10, 20, 'full').goal).toMatchObject({ aim: 20, verdict: 'aim' })
    expect(judged(30, 50, 'full').goal).toMatchObject({ verdict: 'below' })
    expect(judged(10, 50, 'full', 20).goal).toMatchObject({ goal: 20, verdict: 'goal' })
    expect(judged(10, 50, 'full', 30).goal).toMatchObject({ verdict: 'must' })
    const inGigabytes = { ...row, value: 2, unit: 'GB/s', params: { recordBytes: 100 } }
    expect(entryOf(inGigabytes, {}, figure, 'full')).toMatchObject({ ratio: 20 })
    expect(judged(30, 50, 'tiny')).not.toHaveProperty('goal')
    expect(entryOf(row, {}, figure, 'full')).not.toHaveProperty('goal')
    const withCpu = { ...row, info: { recordsPerBrokerCpuSecond: 30e6 } }
    expect(entryOf(withCpu, {}, figure, 'full')).toMatchObject({ ratio: 20, ratioByCpuTime: 30 })
  })

  it('of times is the one of the same percentile, and more where ours is shorter', async () => {
    const { entryOf } = await load('peers/lib/compare')
    const { summarizeTimes } = await load('peers/lib/driver')
    const { comparisonsOf } = await load('peers/catalog')
    const of = (p50: number) => ({ p50, p99: 10 * p50, 'p99.9': 20 * p50, max: 30 * p50 })
    const loads = [of(100), of(300), of(200)].map((it) => ({ ...it, lateShare: 0, check: '1' }))
    const times = { name: 'Kafka', durability: 'os', ...summarizeTimes(loads) }
    expect(times).toMatchObject({ percentiles: of(200), unit: 'us', repetitions: 3 })
    const rowOf = (at: string) => ({
      ...{ id: 'L1', name: `put to push, 1000 records/s, ${at}`, value: 50, unit: 'us' },
      info: { recordsPerBrokerCpuSecond: 1 },
    })
    const bars = { must: 5, aim: 50 }
    const entry = (at: string) => entryOf(rowOf(at), { bars }, times, 'full')
    expect(entry('p50')).toMatchObject({ value: 200, ratio: 4, goal: { verdict: 'below' } })
    expect(entry('p99')).toMatchObject({ value: 2000, ratio: 40, goal: { verdict: 'must' } })
    expect(entry('p99')).not.toHaveProperty('ratioByCpuTime')
    const besideOf = (at: string) => comparisonsOf(rowOf(at)).map((it: { peer: string }) => it.peer)
    expect(besideOf('p99')).toEqual(['kafka', 'nats'])
    expect(besideOf('p99.9')).toEqual([])
    const soaked = (at: string) =>
      comparisonsOf({ id: 'X2', name: `put to push beside a replay, ${at}` })
    expect(soaked('p99')).toMatchObject([{ peer: 'nats', workload: 'soak' }])
    expect(soaked('p50')).toEqual([])
  })

  it('is the median of loads that take the time they should', async () => {
    const { recordsFor, summarize } = await load('peers/lib/driver')
    expect(recordsFor(3, 1000, 0.5)).toBe(6000)
    expect(recordsFor(0, 1000, 0.5)).toBe(1000)
    expect(recordsFor(3, 1000, 0)).toBe(5_000_000)
    const of = (seconds: number) => ({
      records: 100,
      seconds,
      cpuSeconds: 0.5,
      check: `${seconds}`,
    })
    expect(summarize([of(1), of(4), of(2)])).toEqual({
      value: 50,
      low: 25,
      high: 100,
      repetitions: 3,
      unit: 'records/s',
      recordsPerCpuSecond: 200,
      check: '2',
    })
    const busy = summarize([{ ...of(1), generatorIdleShare: 0.05 }])
    expect(busy.generatorIdleShare).toBe(0.05)
    const { peerCells } = await load('peers/lib/table')
    const entry = { ...figure, ratio: 2, what: 'it', generatorIdleShare: 0.05 }
    expect(peerCells(row, entry)[3]).toContain('it (bound by its load)')
    expect(peerCells(row, { ...entry, generatorIdleShare: 0.5 })[3]).not.toContain('bound')
  })

  it('stands in the table and in the terminal, as an absence does', async () => {
    const { entryOf } = await load('peers/lib/compare')
    const { missedPeers, peerLines } = await load('peers/lib/table')
    const { readmeTables } = await load('lib/table')
    const { benches } = await load('lib/catalog')
    const missed = entryOf(row, { bars: { must: 30 } }, figure, 'full')
    const compared = { ...row, goals: [], peers: [missed, { name: 'NATS', absent: 'no Go' }] }
    expect(peerLines([compared]).join('\n')).toMatch(
      /20\.0 x Redis.*MISSED \(30 x\).*\n.*NATS: absent/,
    )
    const halfOfLimit = {
      ...compared,
      limit: { name: 'raw', value: 40e6, unit: 'records/s', ratio: 0.5 },
    }
    expect(readmeTables({ date: '2026-01-02' }, [halfOfLimit], benches)).toMatch(
      /\| 20\.0 x \| 40\.0 x \| sealed.*\| Redis/,
    )
    expect(missedPeers([compared])).toEqual(['I1: sealed batches, against Redis Streams 7.0.15'])
    const machine = { date: '2026-01-02T03:04:05.000Z', load: 'full' }
    const text: string = readmeTables(machine, [compared], benches)
    expect(text).toMatch(
      /\| 20\.0 x \| - \| sealed.*\| Redis Streams 7\.0\.15: XADD \| `os` \| 1\.00 M/,
    )
    expect(text).toMatch(/\| - \| - \| sealed.*\| NATS \| - \| absent \| - \| no Go \|/)
  })
})

describe('what the tools of peers say', () => {
  it('of redis-benchmark', async () => {
    const { parseRedisBenchmark } = await load('peers/redis')
    const said = [
      '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms"',
      '"XADD s * key:__rand_int__ abcdefgh","757575.75","2.587","0.232","2.423","4.071"\n',
    ].join('\n')
    expect(parseRedisBenchmark(said)).toBe(757_575.75)
    expect(() => parseRedisBenchmark('Could not connect')).toThrow('no rate')
  })

  it('of nats bench', async () => {
    const { parseNatsBench } = await load('peers/nats')
    const said = [
      '07:47:39 [1] Starting JetStream asynchronous publisher, publishing 200,000 messages',
      '',
      'NATS JetStream asynchronous publisher stats: 103,351 msgs/sec ~ 9.9 MiB/sec ~ min: 2us',
    ].join('\n')
    expect(parseNatsBench(said)).toBe(103_351)
    expect(() => parseNatsBench('nats: error: no responders')).toThrow('no responders')
  })

  it('of the producer performance test of Kafka, and of its offsets', async () => {
    const { parseOffsets, parseProducerPerformance } = await load('peers/kafka')
    const said = [
      'In steady state.',
      '1000000 records sent, 67824.199674 records/sec (6.47 MB/sec), 3120.39 ms avg latency.',
      '700000 steady state records sent, 69252.077562 records/sec (6.60 MB/sec), 2657.25 ms avg',
    ].join('\n')
    expect(parseProducerPerformance(said)).toEqual({ records: 700_000, rate: 69_252.077562 })
    expect(() => parseProducerPerformance('1 records sent, 0.2 records/sec')).toThrow('no rate')
    expect(parseOffsets('t:0:249840\nt:1:251059\n')).toBe(500_899)
    expect(() => parseOffsets('Error')).toThrow('no offsets')
  })

  it('of the consumer performance test of Kafka', async () => {
    const { parseConsumerPerformance } = await load('peers/kafka')
    const names =
      'start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, ' +
      'rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec'
    const day = '2026-01-02 03:04:0'
    const said = `${day}5:000, ${day}9:000, 9.5, 2.3, 100000, 25000.0, 3500, 500, 19.0, 200000.0`
    expect(parseConsumerPerformance(`${names}\n${said}\n`)).toEqual({
      records: 100_000,
      seconds: 0.5,
    })
    const none = `${day}5:000, ${day}9:000, 0.0, 0.0, 0, 0.0, 0, 10300, 0.0, 0.0`
    expect(() => parseConsumerPerformance(`${names}\n${none}`)).toThrow('no rate')
  })

  it('as a class path that Maven is to fetch', async () => {
    const { pomOf } = await load('peers/lib/sources')
    const pom: string = pomOf(['org.apache.kafka:kafka-tools:4.4.0'])
    expect(pom).toContain('<artifactId>kafka-tools</artifactId>\n<version>4.4.0</version>')
  })
})

describe('the peers', () => {
  it('are compared with benches and workloads that there are', async () => {
    const { comparisons, comparisonsOf, peers } = await load('peers/catalog')
    const { benches } = await load('lib/catalog')
    const ids = new Set(benches.map((it: { id: string }) => it.id))
    for (const { id, peer, workload } of comparisons) {
      expect(ids, id).toContain(id)
      expect(Object.keys(peers[peer].workloads), peer).toContain(workload)
    }
    const used = new Set(comparisons.map(({ peer }: { peer: string }) => peer))
    expect(used).toEqual(new Set(Object.keys(peers)))
    expect(comparisonsOf({ id: 'none', name: 'sealed' })).toEqual([])
    const keys = 'PutRecords, 500 x 100 B, random keys'
    const beside = (more: string) => comparisonsOf({ id: 'I2', name: `${keys}${more}` }).length
    expect(beside('')).toBe(4)
    expect(beside(' (bound by the generator)')).toBe(4)
    expect(beside(', encrypted')).toBe(0)
  })

  it('have durability of a class that has a name', async () => {
    const { peers } = await load('peers/catalog')
    for (const { workloads } of Object.values<{ workloads: object }>(peers)) {
      for (const { durability, probe, rate, what } of Object.values(workloads)) {
        expect(['none', 'os', 'disk'], what).toContain(durability)
        expect(probe ?? rate, what).toBeGreaterThan(0)
      }
    }
  })
})

describe('where nothing is installed', () => {
  let cache = ''
  beforeEach(() => {
    cache = mkdtempSync(join(tmpdir(), 'millrace-peers-test-'))
    vi.stubEnv('MILLRACE_BENCH_CACHE', cache)
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(cache, { recursive: true })
  })

  it('each peer is absent, which is said and no failure', async () => {
    const { Peers } = await load('peers/lib/compare')
    const { comparisons } = await load('peers/catalog')
    const said: string[] = []
    const run = new Peers({ directory: cache, load: 'tiny' }, (line: string) => said.push(line))
    const rows = [{ ...row, id: 'I1', name: 'sealed batches, 64 KiB frames, 100 B' }]
    await run.addTo(rows)
    expect(rows[0]).toHaveProperty('peers')
    const { peers } = rows[0] as unknown as { peers: { name: string; absent: string }[] }
    expect(peers.length).toBe(comparisons.filter((it: { id: string }) => it.id === 'I1').length)
    for (const { name, absent } of peers) expect(absent, name).toMatch(/^not installed; npm run/)
    expect(said.filter((line) => line.includes('absent')).length).toBe(peers.length)
    expect(run.failures).toEqual([])
  })

  it('an install that another one was begun for, or that was cut off, counts as none', async () => {
    const { lmdb } = await load('peers/lmdb')
    const directory = join(cache, 'npm-lmdb')
    mkdirSync(directory)
    const asked = { directory: cache, mayInstall: false }
    await expect(lmdb.install(asked)).rejects.toThrow('not installed')
    writeFileSync(join(directory, 'installed.json'), '{"name":"lmdb","version":"0.0.1"}\n')
    await expect(lmdb.install(asked)).rejects.toThrow('not installed')
  })

  it('a peer that fails is absent and a failure', async () => {
    const { Peers } = await load('peers/lib/compare')
    const { peers } = await load('peers/catalog')
    const broken = vi.spyOn(peers.lmdb, 'install').mockRejectedValue(new Error('broken\nmore'))
    const run = new Peers({ directory: cache, load: 'tiny' }, () => undefined)
    const rows = [{ ...row, id: 'E5', name: 'lazy record views' }]
    await run.addTo(rows)
    broken.mockRestore()
    expect(rows[0]).toMatchObject({ peers: [{ name: 'lmdb', absent: 'broken' }] })
    expect(run.failures).toEqual(['peer lmdb: broken\nmore'])
  })
})

describe('programs of peers', () => {
  const node = (code: string) => [process.execPath, '-e', code]

  it('answer what they say, and fail with the end of it', async () => {
    const { runProgram } = await load('peers/lib/programs')
    expect(await runProgram(node('console.log(1)'), { seconds: 30 })).toBe('1\n')
    const failing = runProgram(node('console.error("why"); process.exit(3)'), { seconds: 30 })
    await expect(failing).rejects.toThrow(/ended with 3\nwhy/)
    await expect(runProgram(['/no/such/program'], { seconds: 30 })).rejects.toThrow('ENOENT')
  })

  it('are ended when they take too long, with what they have started', async () => {
    const { runProgram } = await load('peers/lib/programs')
    const code = `const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
      require('node:fs').writeFileSync(process.argv[1], String(child.pid))
      setInterval(() => {}, 1000)`
    const file = join(mkdtempSync(join(tmpdir(), 'millrace-peers-test-')), 'pid')
    const late = runProgram([...node(code), file], { seconds: 2 })
    await expect(late).rejects.toThrow('more than 2 s')
    const pid = Number(readFileSync(file, 'utf8'))
    await expect.poll(() => isRunning(pid)).toBe(false)
    rmSync(join(file, '..'), { recursive: true })
  })

  it('are servers once they accept connections, and are stopped by their number', async () => {
    const { cpuSecondsOf, freePort, startServer } = await load('peers/lib/programs')
    const port = await freePort()
    const listen = `require('node:net').createServer().listen(${port}, '127.0.0.1')`
    const code = `setTimeout(() => ${listen}, 200)`
    const server = await startServer(node(code), { port, seconds: 30 })
    expect(cpuSecondsOf(server.pid)).toBeGreaterThanOrEqual(0)
    expect(isRunning(server.pid)).toBe(true)
    await server.stop()
    await server.stop()
    expect(isRunning(server.pid)).toBe(false)
    const dying = startServer(node('console.error("no memory"); process.exit(1)'), {
      port,
      seconds: 30,
    })
    await expect(dying).rejects.toThrow(/ended with 1\nno memory/)
  })
})

it('programs of peers end with who started them, when that is told to end', async () => {
  const programs = new URL('../../bench/peers/lib/programs.mjs', import.meta.url).href
  const code = `const { freePort, startServer } = await import('${programs}')
    const port = await freePort()
    const listen = "require('node:net').createServer().listen(" + port + ", '127.0.0.1')"
    const { pid } = await startServer([process.execPath, '-e', listen], { port, seconds: 30 })
    console.log(pid)
    setInterval(() => {}, 1000)`
  const runner = spawn(process.execPath, ['--input-type=module', '-e', code])
  const [said] = await once(runner.stdout, 'data')
  const pid = Number(String(said))
  expect(isRunning(pid)).toBe(true)
  runner.kill('SIGTERM')
  expect(await once(runner, 'exit')).toEqual([143, null])
  await expect.poll(() => isRunning(pid)).toBe(false)
})

/** One that has ended and was not waited for yet runs no more. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
