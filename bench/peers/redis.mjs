// Redis Streams with its append-only file, loaded by its own redis-benchmark, and its pub/sub.
import { join } from 'node:path'
import { latencyWorkloads, loadLatency, ratesOfOne } from './lib/latency.mjs'
import { freePort, runProgram, startServer } from './lib/programs.mjs'
import { loadPushes, pushWorkloads } from './lib/push.mjs'
import { payload } from './lib/records.mjs'
import { fromDebian, librariesOf } from './lib/sources.mjs'

const startSeconds = 20
const keys = 1_000_000
const stream = 'bench'

const many = { connections: 20, inFlight: 100 }

/**
 * Records a second, from `redis-benchmark --csv`: a line of names and a line of figures, the first
 * of which is the command.
 */
export function parseRedisBenchmark(text) {
  const lines = text.trim().split('\n')
  const names =
    lines
      .at(-2)
      ?.split(',')
      .map((it) => it.replaceAll('"', '')) ?? []
  const figures = lines.at(-1).split('","')
  const rate = Number(figures[names.indexOf('rps')])
  if (!(rate > 0)) throw new Error(`redis-benchmark said no rate:\n${text}`)
  return rate
}

const ask = (installed, port, ...command) =>
  runProgram([installed.cli, '-p', String(port), ...command], { ...installed.run, seconds: 20 })

export const redis = {
  id: 'redis',
  name: 'Redis',
  workloads: {
    pipelined: {
      what: 'XADD, 20 connections, 100 in flight on each',
      durability: 'os',
      fsync: 'no',
      ...many,
      probe: 20_000,
    },
    'one connection': {
      what: 'XADD, 256 in flight on one connection',
      durability: 'os',
      fsync: 'no',
      connections: 1,
      inFlight: 256,
      probe: 20_000,
    },
    'one in flight': {
      what: 'XADD, 100 connections, one in flight on each',
      durability: 'os',
      fsync: 'no',
      connections: 100,
      inFlight: 1,
      probe: 5000,
    },
    ...pushWorkloads('pub/sub', { fsync: 'no' }),
    'one connection, synced': {
      what: 'XADD, 256 in flight on one connection, appendfsync always',
      durability: 'disk',
      fsync: 'always',
      connections: 1,
      inFlight: 256,
      probe: 5000,
    },
    'pipelined, synced': {
      what: 'XADD, 20 connections, 100 in flight on each, appendfsync always',
      durability: 'disk',
      fsync: 'always',
      ...many,
      probe: 5000,
    },
    ...latencyWorkloads('XADD to XREAD, appendfsync always', ratesOfOne, {
      durability: 'disk',
      fsync: 'always',
    }),
  },

  async install(cache) {
    const root = await fromDebian(cache, ['redis-server', 'redis-tools'])
    const run = { env: { LD_LIBRARY_PATH: librariesOf(root) } }
    const bin = (name) => join(root, 'usr', 'bin', name)
    const said = await runProgram([bin('redis-server'), '--version'], { ...run, seconds: 20 })
    const version = /v=([\d.]+)/.exec(said)?.[1]
    return { version, run, server: bin('redis-server'), cli: bin('redis-cli'), bin }
  },

  async start({ installed, directory, settings }) {
    const port = await freePort()
    const options = {
      bind: '127.0.0.1',
      port,
      dir: directory,
      save: '',
      appendonly: 'yes',
      appendfsync: settings.fsync,
      // It would write the whole file anew while it is measured.
      'auto-aof-rewrite-percentage': 0,
    }
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const command = [installed.server, ...flags]
    return await startServer(command, { ...installed.run, port, seconds: startSeconds })
  },

  async load(about) {
    if (about.settings.rate !== undefined) return await loadLatency('redis', about)
    if (about.settings.subscribers !== undefined) return await loadPushes('redis', about)
    const { installed, server, settings, records: wanted, seconds } = about
    const { port } = server
    const { connections, inFlight } = settings
    // It sends as many at once as may be in flight, and no fewer at its end.
    const records = Math.ceil(wanted / inFlight) * inFlight
    await ask(installed, port, 'DEL', stream)
    const count = ['-n', String(records), '-c', String(connections), '-P', String(inFlight)]
    const flags = ['-p', String(port), '-r', String(keys), '--csv', ...count]
    const command = ['XADD', stream, '*', 'key:__rand_int__', payload(100)]
    const said = await runProgram([installed.bin('redis-benchmark'), ...flags, ...command], {
      ...installed.run,
      place: 'last',
      seconds,
    })
    const there = Number(await ask(installed, port, 'XLEN', stream))
    if (there !== records) throw new Error(`XLEN is ${there}, not ${records}`)
    const check = `${there} records counted`
    return { records, seconds: records / parseRedisBenchmark(said), check }
  },
}
