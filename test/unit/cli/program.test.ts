/** The command line in this process: help, usage errors, explanations. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { runHere } from '../../support/run-here.ts'

const commands = [
  [],
  ['serve'],
  ['stream'],
  ['stream', 'create'],
  ['stream', 'ls'],
  ['stream', 'info'],
  ['stream', 'rm'],
  ['consumer'],
  ['consumer', 'register'],
  ['consumer', 'ls'],
  ['consumer', 'info'],
  ['consumer', 'rm'],
  ['put'],
  ['get'],
  ['tail'],
  ['bench'],
  ['bench', 'put'],
  ['bench', 'get'],
  ['bench', 'sub'],
  ['bench', 'e2e'],
  ['verify'],
  ['doctor'],
  ['config'],
  ['config', 'show'],
  ['config', 'check'],
  ['config', 'defaults'],
  ['access'],
  ['access', 'token'],
  ['access', 'hash'],
  ['access', 'check'],
  ['explain'],
]

describe('help', () => {
  it.each(commands.map((it) => [it.join(' '), it] as const))(
    'of "%s" fits 24 x 80',
    async (_, it) => {
      const { status, stdout, stderr } = await runHere([...it, '--help'])
      expect(status).toBe(0)
      expect(stderr).toBe('')
      const lines = stdout.split('\n')
      expect(lines.filter((line) => line.length > 80)).toEqual([])
      expect(lines.length).toBeLessThanOrEqual(24)
      expect(lines[0]).toMatch(/^Usage: millrace/)
      expect(stdout.indexOf('Examples:')).toBeGreaterThan(0)
      expect(stdout.indexOf('Examples:')).toBeLessThan(stdout.indexOf('Options:'))
    },
  )

  it('says the default and the variable of an option', async () => {
    const { stdout } = await runHere(['tail', '--help'])
    expect(stdout).toContain('[default: latest]')
    expect(stdout).toContain('[default: ws://127.0.0.1:4570] [env: MILLRACE_URL]')
  })
})

describe('a wrong command line exits 2', () => {
  it.each([
    [['sreve'], "unknown command 'sreve'", 'Did you mean serve?'],
    [['tail', 'orders', '--form', '1'], "unknown option '--form'", 'Did you mean --from?'],
    [
      ['serve', '--storage-spare-segmnts', '1'],
      "unknown option '--storage-spare-segmnts'",
      'Did you mean --storage-spare-segments?',
    ],
    [
      ['doctor', '--token-file', 'x'],
      "unknown option '--token-file'",
      'See: millrace doctor --help',
    ],
    [['tail'], "missing required argument 'stream'", 'See: millrace tail --help'],
    [['put', 'a', 'b', 'c'], "too many arguments for 'put'", 'See: millrace put --help'],
    [
      ['get', 'orders', '--limit', 'many'],
      '--limit is "many", wanted a whole number, 1 or more',
      'Add --help to the command to see what it takes.',
    ],
    [['tail', 'orders', '--from', 'noon'], '--from is "noon", wanted latest', 'Examples: --from'],
    [
      ['put', 'orders', 'x', '--durability', 'ram'],
      'Allowed choices are disk, os',
      'See: millrace put --help',
    ],
    [
      ['put', 'orders', '--key', 'a', '--key-separator', ':'],
      '--key and --key-separator exclude each other',
      'Leave one of them out.',
    ],
    [['get', 'orders/x'], '"x" names no shard', 'shardId-000000000000'],
    [['explain', 'DISK_FUL'], 'there is no code DISK_FUL', 'Did you mean DISK_FULL?'],
    [['stream', 'create', 'a', '--tag', 'b'], '--tag is "b", wanted KEY=VALUE', ''],
    [['consumer', 'register', 'a', 'b', '--tag', 'c'], '--tag is "c", wanted KEY=VALUE', ''],
    [
      ['consumer', 'info', 'a'],
      "missing required argument 'consumer'",
      'millrace consumer info --help',
    ],
    [['stream', 'info', 'a', 'b'], 'too many arguments', 'See: millrace stream info --help'],
    [
      ['stream', 'tag', 'a', 'b=c', '--remove', 'b'],
      'the tag b is to be set and to be removed',
      '',
    ],
    [
      ['stream', 'create', 'a', '--mode', 'fast'],
      '--mode is "fast", wanted provisioned or on-d',
      '',
    ],
    [['stream', 'record-size', 'a', '50MiB'], 'wanted 1.0 MiB to 10.0 MiB', ''],
    [['stream', 'retention', 'a', '1y'], '"1y", wanted hours (36) or days (7d)', ''],
    [
      ['stream', 'monitor', 'a', '--enable', 'all', '--disable', 'ALL'],
      'ALL is both in --enable and in --disable',
      '',
    ],
    [['bench', 'put', '--rate', 'fast'], '--rate is "fast", wanted records a second, 1 to', ''],
    [['bench', 'e2e', '--rate', 'max'], 'at the highest rate a time is its queue', 'bench put'],
    [['bench', 'sub', '--duration', '10'], '--duration is "10", wanted a time such as 500ms', ''],
    [['bench', 'get', '--batch', '10001'], '--batch is "10001", wanted a whole number, 1 to', ''],
    [['consumer', 'list'], "unknown command 'list'", 'Did you mean ls?'],
  ])('%j', async (args, message, hint) => {
    const { status, stdout, stderr } = await runHere(args)
    expect(stderr).toContain(message)
    expect(stderr).toContain(hint)
    expect(stderr).toMatch(/^error: \w+: .*\nhint: .*\n$/)
    expect(stdout).toBe('')
    expect(status).toBe(2)
  })

  it('shows the help for want of a command', async () => {
    const { status, stdout, stderr } = await runHere([])
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('Commands:')
  })

  it('and says so in JSON for programs', async () => {
    const { status, stderr } = await runHere(['tail', '--json'])
    expect(status).toBe(2)
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'USAGE',
        message: "missing required argument 'stream'",
        retryable: false,
        hint: 'See: millrace tail --help',
      },
    })
  })
})

it('a command that cannot be loaded hides no usage error of another', async () => {
  const broken = '../../../src/cli/commands/bench.ts'
  vi.doMock(broken, () => {
    throw new Error('a file is missing')
  })
  onTestFinished(() => {
    vi.doUnmock(broken)
    vi.resetModules()
  })
  vi.resetModules()
  const { runProgram: withBroken } = await import('../../../src/cli/program.ts')
  const wrong = await runHere(['explain', '--colour'], { program: withBroken })
  expect(wrong.status).toBe(2)
  expect(wrong.stderr).toContain("error: USAGE: unknown option '--colour'")
  expect(wrong.stderr).toContain('hint: See: millrace explain --help')
  const itself = await runHere(['bench', 'put'], { program: withBroken })
  expect(itself.status).toBe(70)
  expect(itself.stderr).toContain('INTERNAL')
})

describe('explain', () => {
  it.each([
    ['THROUGHPUT_EXCEEDED', 'In Kinesis: ProvisionedThroughputExceededException.'],
    ['throughput-exceeded', 'The same call may succeed later.'],
    ['4408', 'SLOW_CONSUMER'],
    ['1006', 'A client connects again.'],
    ['74', 'The disk failed'],
    ['UNSAFE_ADDRESS', 'exits 78'],
    ['VERIFICATION_FAILED', 'exits 8'],
  ])('knows %s', async (code, sentence) => {
    const { status, stdout } = await runHere(['explain', code])
    expect(status).toBe(0)
    expect(stdout).toContain(sentence)
  })

  it('lists all codes', async () => {
    const rows = (await runHere(['explain', '--json'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.length).toBeGreaterThan(50)
    expect(new Set(rows.map((it) => it['kind']))).toEqual(
      new Set(['error', 'close code', 'exit code']),
    )
  })
})
