// Tests that live elsewhere, as native programs, GoogleTest binaries or vitest files: one row each.
// What their commands may say and print is in lib/command-test.mjs.
import { commandTest } from '../lib/command-test.mjs'
import { needNodeModule } from '../lib/machine.mjs'

// A native program of its own in native/, called `<name>_main`.
function program(name, extra = []) {
  const target = `${name}_main`
  return {
    programs: [target],
    command: [
      `{program:${target}}`,
      ...['--dir', '{dir}', '--count', '{count}', '--seed', '{seed}', ...extra],
    ],
  }
}

// A vitest file; it reads MILLRACE_TORTURE_SEED and MILLRACE_TORTURE_COUNT.
function vitest(file, env = {}) {
  return {
    skip: () => needNodeModule('vitest'),
    command: ['npx', '--no-install', 'vitest', 'run', '--project', file.split('/')[1], file],
    env,
  }
}

const TABLE = [
  {
    id: 'T-K0n',
    title: 'kill, terminate and abort, through the addon',
    unit: 'ends',
    counts: { ci: 100, full: 1000 },
    ...vitest('test/crash/crash-loop.test.ts'),
  },
  {
    id: 'T-P1',
    title: 'power cut, simulated disk',
    unit: 'states',
    counts: { ci: 10_000, full: 1_000_000 },
    ...program('power_cut'),
  },
  {
    id: 'T-P3',
    title: 'power cut during recovery, three deep',
    unit: 'cuts',
    counts: { ci: 1000, full: 100_000 },
    ...program('recovery_cut'),
  },
  {
    id: 'T-E2',
    title: 'every I/O call fails, once and for ever',
    unit: 'faults',
    counts: { ci: 100_000, full: 10_000_000 },
    ...program('call_fault'),
  },
  {
    id: 'T-E5',
    title: 'every allocation fails',
    unit: 'faults',
    counts: { ci: 10_000, full: 1_000_000 },
    ...program('allocation_fault'),
  },
  {
    id: 'T-B1',
    title: 'bit rot',
    unit: 'damages',
    counts: { ci: 10_000, full: 1_000_000 },
    ...program('bit_rot'),
  },
  {
    id: 'T-B2',
    title: 'scrub under load',
    unit: 'damages',
    counts: { ci: 20, full: 200 },
    ...program('scrub'),
  },
  {
    id: 'T-M1',
    title: 'random commands against a model',
    unit: 'commands',
    counts: { ci: 10_000, full: 1_000_000 },
    ...vitest('test/model/log.test.ts'),
  },
  {
    id: 'T-F1',
    title: 'fuzzed directories',
    unit: 'runs',
    counts: { ci: 1_000_000, full: 100_000_000 },
    ...program('directory_fuzz'),
  },
  {
    id: 'T-R1',
    title: 'races',
    unit: 'seconds',
    counts: { ci: 10, full: 600 },
    ...program('races', ['--seconds', '{count}']),
  },
  {
    id: 'T-R2',
    title: 'the addon with workers that come and go',
    unit: 'workers',
    counts: { ci: 50, full: 1000 },
    ...vitest('test/seam/workers.test.ts'),
  },
]

export const tests = TABLE.map(commandTest)
