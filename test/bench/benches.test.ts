/** Every bench runs, with the smallest load: none may rot. What they measure is not judged here. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

interface Row {
  readonly id: string
  readonly name: string
  readonly params: Record<string, string | number>
  readonly value: number
  readonly unit: string
  readonly limit?: { readonly name: string; readonly value: number; readonly ratio: number }
  readonly percentiles?: Readonly<Record<string, number | string>>
  readonly check: string
  readonly verified: boolean
  readonly cpuSeconds: { readonly broker: number | null; readonly generator: number }
  readonly machine: { readonly processor: string }
  readonly peers?: readonly Peer[]
}

interface Peer {
  readonly name: string
  readonly absent?: string
  readonly version?: string
  readonly value?: number
  readonly ratio?: number
  readonly durability?: string
  readonly check?: string
}

const runner = fileURLToPath(new URL('../../bench/run.mjs', import.meta.url))
// The run may have to build the native programs and the package first.
const buildAndRunMillis = 30 * 60_000

function hasValgrind(): boolean {
  return spawnSync('valgrind', ['--version']).status === 0
}

const figuresAtLeast: Readonly<Record<string, number>> = {
  E1: 4,
  E2: 8,
  E3: 2,
  E4: 5,
  E5: 5,
  ingest: 12,
  I1: 1,
  I2: 9,
  I3: 2,
  I4: 1,
  I5: 1,
  I6: 3,
  F1: 4,
  F2: 4,
  F3: 2,
  R1: 2,
  R2: 3,
  L1: 6,
  L2: 6,
  L3: 3,
  C1: 4,
  X2: 8,
  'map-vs-pwritev': 24,
  'group-commit': 6,
  V1: 3,
  T1: 8,
  S1: 13,
  memory: 8,
  sync: 7,
  seam: 6,
  wire: 6,
  // It counts with callgrind, and says so where that is missing.
  instructions: hasValgrind() ? 5 : 0,
  hash: 10,
  scan: 20,
}

// Peers take minutes: they are measured here only where a setting says that they are installed.
const env = { MILLRACE_BENCH_CACHE: join(tmpdir(), 'millrace-no-peers'), ...process.env }

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const result = spawnSync(process.execPath, [runner, ...args], {
    encoding: 'utf8',
    env,
    maxBuffer: Number.POSITIVE_INFINITY,
  })
  return { status: result.status, stdout: result.stdout, stderr: result.stderr }
}

/** Where another build is to be measured, such as one that is made already. */
function given(): string[] {
  const { MILLRACE_BENCH_BINARIES: binaries, MILLRACE_BENCH_DIST: dist } = process.env
  return [...(binaries ? ['--binaries', binaries] : []), ...(dist ? ['--dist', dist] : [])]
}

describe('the bench runner', () => {
  let scratch = ''
  let rows: Row[] = []
  let printed = ''

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'millrace-bench-test-'))
    const json = join(scratch, 'results.json')
    // By name: long ones run in no other way.
    const { status, stdout, stderr } = run(
      ...Object.keys(figuresAtLeast),
      '--tiny',
      '--peers',
      '--dir',
      scratch,
      '--json',
      json,
      ...given(),
    )
    expect(status, stderr).toBe(0)
    rows = JSON.parse(readFileSync(json, 'utf8')) as Row[]
    printed = stdout
  }, buildAndRunMillis)

  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  it.each(Object.entries(figuresAtLeast))('%s finds at least %i figures', (id, least) => {
    const own = rows.filter((row) => row.id === id)
    expect(own.length).toBeGreaterThanOrEqual(least)
    expect(new Set(own.map((row) => row.name)).size).toBe(own.length)
    for (const row of own) {
      expect(Number.isFinite(row.value), `${row.name}: ${row.value}`).toBe(true)
      expect(row.unit).not.toBe('')
      expect(row.check, `${row.name} proves its work`).not.toBe('')
      expect(row.verified, row.name).toBe(true)
      expect(row.cpuSeconds.generator, row.name).toBeGreaterThanOrEqual(0)
      expect(row.machine.processor, row.name).not.toBe('')
    }
  })

  it('says what it has skipped, and why', () => {
    const skips = printed.includes('skipped: valgrind is not installed')
    expect(skips).toBe(!hasValgrind())
  })

  it('has a limit of the same run beside every append, read and verification in C++', () => {
    const compared = rows.filter((row) => /^(?:append|read in C\+\+|full verify)/.test(row.name))
    const native = compared.filter((row) => ['E1', 'E2', 'E5', 'V1'].includes(row.id))
    expect(native.length).toBeGreaterThanOrEqual(15)
    for (const row of native) {
      expect(row.limit?.ratio, row.name).toBeGreaterThan(0)
    }
  })

  it('has each peer beside its rows, absent where it is not installed', async () => {
    const { comparisonsOf } = await import(
      new URL('../../bench/peers/catalog.mjs', import.meta.url).href
    )
    const absent = new Set<string>()
    let compared = 0
    for (const row of rows) {
      const peers = row.peers ?? []
      expect(peers.length, row.name).toBe(comparisonsOf(row).length)
      compared += peers.length
      for (const peer of peers) {
        if (peer.absent !== undefined) absent.add(`${peer.name}: ${peer.absent}`)
        else {
          expect(peer.value, peer.name).toBeGreaterThan(0)
          // What stands in GB/s is compared by its records, which the names of both say.
          if (row.unit !== 'GB/s') {
            const ratio = row.value / (peer.value ?? 0)
            // Of times the ratio is the other way round.
            expect(peer.ratio, peer.name).toBeCloseTo(row.unit === 'us' ? 1 / ratio : ratio)
          }
          expect(peer.ratio, peer.name).toBeGreaterThan(0)
          expect(peer.version, peer.name).toMatch(/^\d/)
          expect(peer.check, peer.name).toMatch(/^\d+ records/)
        }
      }
    }
    expect(compared).toBeGreaterThanOrEqual(10)
    for (const peer of absent) console.log(`absent: ${peer}`)
  })

  it('has the CPU seconds of the broker beside every figure of one', () => {
    const ofBroker = rows.filter((row) => /^(?:[IFRLC]\d|X2)$/.test(row.id))
    expect(ofBroker.length).toBeGreaterThanOrEqual(35)
    for (const row of ofBroker) expect(row.cpuSeconds.broker, row.name).toEqual(expect.any(Number))
    // Loads as small as these may be over before the kernel has counted anything.
    const total = (side: 'broker' | 'generator') =>
      ofBroker.reduce((sum, row) => sum + (row.cpuSeconds[side] ?? 0), 0)
    expect(total('broker')).toBeGreaterThan(0)
    expect(total('generator')).toBeGreaterThan(0)
  })

  it('has the percentiles beside times that were measured by a timetable', () => {
    const timed = rows.filter((row) => /^(?:L\d|X2)$/.test(row.id) && row.unit === 'us')
    expect(timed.length).toBeGreaterThanOrEqual(17)
    for (const { name, percentiles } of timed) {
      const { unit, ...named } = percentiles ?? {}
      expect(Object.keys(named), name).toEqual(['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'])
      const values = Object.values(named).map(Number)
      expect(values, name).toEqual(values.toSorted((a, b) => a - b))
      expect(unit, name).toBe('us')
    }
  })

  it('measures without peers, too', () => {
    const { status, stdout, stderr } = run('scan', '--tiny', '--dir', scratch, ...given())
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).not.toContain('FAILED')
  })

  it('compares what it finds with an earlier run', () => {
    const json = join(scratch, 'results.json')
    const { status, stdout } = run('--from', json, '--compare', json)
    expect(status).toBe(0)
    const lines = stdout.slice(stdout.indexOf('beside the run of')).split('\n')
    expect(lines.filter((line) => line.startsWith('  1.00 x  '))).toHaveLength(
      rows.filter((row) => row.value !== 0).length,
    )
  })

  it('leaves nothing behind', () => {
    const left = run('--list').stdout
    expect(left).toContain('map-vs-pwritev')
    expect(spawnSync('ls', [scratch], { encoding: 'utf8' }).stdout.trim()).toBe('results.json')
  })
})

describe('the command line of the bench runner', () => {
  it('lists what there is', () => {
    const { status, stdout } = run('--list')
    expect(status).toBe(0)
    const ids = stdout.split('\n').map((line) => line.split(' ')[0])
    expect(ids.filter((id) => id !== '')).toEqual(Object.keys(figuresAtLeast))
  })

  it.each([
    [['--no-such-option'], 'no-such-option'],
    [['E99'], 'no bench is called E99'],
    [['--quick', '--tiny'], 'exclude each other'],
    [['X2', '--minutes', 'many'], '--minutes is "many"'],
    [['--json', '/no/such/folder/file'], 'there is no folder /no/such/folder'],
    [['--compare', '/no/such/file'], 'no such file'],
  ])('refuses %j', (args, reason) => {
    const { status, stderr } = run(...args)
    expect(status).toBe(2)
    expect(stderr).toContain(reason)
  })
})
