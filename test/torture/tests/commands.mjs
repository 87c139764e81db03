// Tests that are one command: one row each. What their commands may say and print is in
// lib/command-test.mjs.
import { spawnSync } from 'node:child_process'
import { commandTest } from '../lib/command-test.mjs'
import { firstReason, needBuild, needNodeModule } from '../lib/machine.mjs'
import { memoryFolder } from '../lib/workspace.mjs'

// A native program of its own in native/, called `<name>_main`, with a log in `folder`: {dir} is on
// the disk, {scratch} in memory, for what says nothing about a disk.
function program(name, { preset = null, wrap = [], folder = '{dir}', more = [] } = {}) {
  const target = preset === null ? `${name}_main` : `${name}_main@${preset}`
  return {
    programs: [target],
    command: [
      ...wrap,
      `{program:${target}}`,
      ...['--dir', `${folder}/log`, '--count', '{count}', '--seed', '{seed}', ...more],
    ],
  }
}

// A program on the simulated disk: it needs no folder.
function simulated(name) {
  const target = `${name}_main`
  return {
    programs: [target],
    command: [`{program:${target}}`, '--count', '{count}', '--seed', '{seed}'],
  }
}

// A script has some 600 calls, with 19 failures each: few of them are spread over several scripts.
const CALL_STRIDES = { ci: 16, full: 1 }

function failingCalls() {
  const { programs, command } = simulated('call_fault')
  return { programs, command: (tier) => [...command, '--stride', String(CALL_STRIDES[tier])] }
}

// The thread sanitizer of gcc 12 does not survive much address randomization.
function withoutRandomization() {
  const { status } = spawnSync('setarch', ['-R', 'true'], { stdio: 'ignore' })
  return status === 0 ? ['setarch', '-R'] : []
}

const TABLE = [
  {
    id: 'T-H',
    title: 'the history checker finds what is planted, and nothing else',
    unit: 'histories',
    counts: { ci: 2000, full: 10_000 },
    ...program('history_check'),
  },
  {
    id: 'T-K0',
    title: 'kill -9 while writing and while recovering',
    unit: 'kills',
    counts: { ci: 500, full: 10_000 },
    ...program('crash_writer', { folder: '{scratch}' }),
  },
  {
    id: 'T-K0n',
    title: 'kill, terminate, abort and out of memory, through the addon',
    unit: 'ends',
    counts: { ci: 30, full: 1000 },
    skip: needBuild,
    command: [
      process.execPath,
      'test/crash/crash-loop.mjs',
      ...['--seed', '{seed}', '--count', '{count}', '--directory', '{scratch}'],
    ],
    trialsIn: /^T-K0n: (\d+) rounds .* 0 violations/m,
  },
  {
    id: 'T-P1',
    title: 'power cut, simulated disk',
    unit: 'states',
    counts: { ci: 6000, full: 1_000_000 },
    ...simulated('power_cut'),
  },
  {
    id: 'T-P3',
    title: 'power cut during recovery, three deep',
    unit: 'cuts',
    counts: { ci: 1000, full: 100_000 },
    ...simulated('recovery_cut'),
  },
  {
    id: 'T-E2',
    title: 'every I/O call fails, once and for ever',
    unit: 'faults',
    counts: { ci: 3000, full: 200_000 },
    ...failingCalls(),
  },
  {
    id: 'T-E3s',
    title: 'disk full, simulated disk',
    unit: 'rounds',
    counts: { ci: 300, full: 10_000 },
    ...simulated('disk_full'),
  },
  {
    id: 'T-E5',
    title: 'every allocation fails',
    unit: 'faults',
    counts: { ci: 2000, full: 50_000 },
    ...simulated('allocation_fault'),
  },
  {
    id: 'T-B1',
    title: 'damaged bytes and files: nothing wrong served, nothing missing unnoticed',
    unit: 'damages',
    counts: { ci: 10_000, full: 1_000_000 },
    ...program('bit_rot'),
  },
  {
    id: 'T-B2',
    title: 'random damage in sealed segments while serving: one scrub names all of it',
    unit: 'damages',
    counts: { ci: 250, full: 20_000 },
    ...program('scrub', { more: ['--tier', '{tier}'] }),
  },
  {
    id: 'T-M1',
    title: 'random commands against a model',
    unit: 'commands',
    counts: { ci: 10_000, full: 1_000_000 },
    skip: () => firstReason(needNodeModule('vitest'), needBuild()),
    // Its many small logs say nothing about a disk.
    command: [
      ...['env', `TMPDIR=${memoryFolder()}`, 'MILLRACE_SEED={seed}', 'MILLRACE_COMMANDS={count}'],
      ...['npx', '--no-install', 'vitest', 'run', '--project', 'model'],
    ],
    trialsIn: /^T-M1: (\d+) commands.* 0 differences/m,
  },
  {
    id: 'T-F4',
    title: 'puts decoded three ways',
    unit: 'frames',
    counts: { ci: 50_000, full: 10_000_000 },
    skip: () => firstReason(needNodeModule('vitest'), needBuild()),
    command: [
      ...['env', `TMPDIR=${memoryFolder()}`, 'MILLRACE_SEED={seed}', 'MILLRACE_PUTS={count}'],
      ...['npx', '--no-install', 'vitest', 'run', '--project', 'seam'],
      'test/seam/put-decoders.test.ts',
    ],
    trialsIn: /^T-F4: (\d+) frames.* 0 differences/m,
  },
  {
    id: 'T-F5',
    title: 'random arguments over all exports of the addon',
    unit: 'calls',
    counts: { ci: 20_000, full: 1_000_000 },
    skip: needBuild,
    command: [
      process.execPath,
      ...['test/seam/children/random-arguments.mjs', '{scratch}/log', '{seed}', '{count}'],
    ],
    trialsIn: /"calls":(\d+)/,
  },
  {
    id: 'T-S4',
    title: 'subscriptions that come and go leave no memory behind',
    unit: 'subscriptions',
    counts: { ci: 20_000, full: 1_000_000 },
    skip: () => firstReason(needNodeModule('vitest'), needBuild()),
    command: [
      ...['env', 'MILLRACE_SUBSCRIBE_FLOOD={count}'],
      ...['npx', '--no-install', 'vitest', 'run', '--project', 'e2e'],
      'test/e2e/subscription-flood.test.ts',
    ],
    trialsIn: /^T-S4: (\d+) subscriptions.* 0 left/m,
  },
  {
    id: 'T-R1',
    title: 'everything at once, watched by the thread sanitizer',
    unit: 'seconds',
    counts: { ci: 20, full: 600 },
    ...program('races', {
      preset: 'tsan',
      wrap: withoutRandomization(),
      more: ['--seconds', '{count}'],
    }),
  },
]

export const tests = TABLE.map(commandTest)
