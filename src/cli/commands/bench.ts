/** `millrace bench put|get|sub|e2e`: loads a broker, measures, and verifies every record. */

import { type Command, Option } from 'commander'
import { durabilities } from '../../wire/operations.ts'
import {
  type BenchKind,
  batchMax,
  fallbacks,
  keysMax,
  planOf,
  recordBytesMax,
  recordBytesMin,
  shardsMax,
  subscribersMax,
  usualRate,
} from '../bench/plan.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliOption, setExamples } from '../help.ts'
import { wholeNumber } from '../option-values.ts'

async function bench(kind: BenchKind, invocation: Invocation): Promise<undefined> {
  const plan = planOf(kind, invocation.options)
  const { runBench } = await import('../bench/bench-command.ts')
  await runBench(plan, invocation)
}

function count(flags: string, about: string, fallback: number, min: number, max: number): Option {
  return wholeNumber(new CliOption(flags, about, { fallback: String(fallback) }), min, max)
}

const timed = (): Option[] => [
  new CliOption('--duration <time>', 'what is measured', { fallback: fallbacks.duration }),
  new CliOption('--warm-up <time>', 'before it', { fallback: fallbacks.warmUp }),
]

const ofKind: Readonly<Record<BenchKind, () => Option[]>> = {
  put: timed,
  get: () => [
    count('--records <n>', 'to put, then to read', fallbacks.records, 1, 1_000_000_000),
    count('--batch <n>', 'records a request', fallbacks.batch, 1, batchMax),
  ],
  sub: () => [
    ...timed(),
    count('--subscribers <n>', 'readers of all', fallbacks.subscribers, 1, subscribersMax),
  ],
  e2e: timed,
}

function optionsOf(kind: BenchKind): Option[] {
  const rate = kind === 'e2e' ? 'records a second' : 'records a second, or max'
  return [
    new CliOption('--rate <n>', rate, { fallback: String(usualRate(kind)) }),
    ...ofKind[kind](),
    count(
      '--record-bytes <n>',
      'data of each',
      fallbacks.recordBytes,
      recordBytesMin,
      recordBytesMax,
    ),
    count('--keys <n>', 'partition keys', fallbacks.keys, 1, keysMax),
    count('--shards <n>', 'of the stream', fallbacks.shards, 1, shardsMax),
    new CliOption('--durability <mode>', 'what acks mean', { fallback: 'disk' }).choices(
      durabilities,
    ),
    new Option('--stream <name>', 'one that is there, not one for the run'),
    new Option('--start [folder]', 'a broker for the run; its data goes there'),
    new Option('--compare <file>', 'with an earlier --json > FILE'),
  ]
}

interface About {
  readonly usage: BenchKind
  readonly summary: string
  readonly purpose: string
  readonly examples: readonly string[]
}

const abouts: readonly About[] = [
  {
    usage: 'put',
    summary: 'how fast records are put, and how long a put takes',
    purpose:
      'Put records for some time; then all are read back and compared. Without\n' +
      '--url a broker is started for the run. At --rate max there are no times.',
    examples: ['millrace bench put --rate max', 'millrace bench put --durability os --json'],
  },
  {
    usage: 'get',
    summary: 'how fast records are read with GetRecords',
    purpose:
      'Put records, then read them with GetRecords in all shards, and compare.\n' +
      'Without --url a broker is started for the run.',
    examples: ['millrace bench get --rate max', 'millrace bench get --batch 100'],
  },
  {
    usage: 'sub',
    summary: 'how fast records are pushed to many subscribers',
    purpose:
      'Put records while subscribers get all of them pushed, each on a connection\n' +
      'of its own. Without --url a broker is started for the run.',
    examples: ['millrace bench sub --subscribers 100 --rate 1000'],
  },
  {
    usage: 'e2e',
    summary: 'how long it takes from a put to its push',
    purpose:
      'Put records one by one by a timetable, to one subscriber. Each time runs\n' +
      'from when its put was due. Without --url a broker is started for the run.',
    examples: ['millrace bench e2e --rate 10000 --durability os'],
  },
]

export function addBench(program: Command, runner: Runner): void {
  const parent = program.command('bench').summary('measure a broker, and verify every record')
  parent.description(
    'Load a broker, measure it, and verify that nothing was lost, repeated, out of\n' +
      'order or altered: exit code 8 where something was.',
  )
  parent.helpOption('-h, --help', 'show this help').helpCommand(false)
  setExamples(parent, [
    'millrace bench put --rate max                     on a broker of its own',
    'millrace bench e2e --url ws://127.0.0.1:4570      on one that runs',
  ])
  for (const about of abouts) {
    defineCommand(parent, runner, {
      ...about,
      settings: ['url', 'tokenFile'],
      options: optionsOf(about.usage),
      action: (invocation) => bench(about.usage, invocation),
    })
  }
}
