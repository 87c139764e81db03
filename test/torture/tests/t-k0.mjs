// The crash loop in C++ (native/crash_writer_main.cc).
import { commandTest } from '../lib/command-test.mjs'

export const tests = [
  commandTest({
    id: 'T-K0',
    title: 'kill -9 while writing and while recovering',
    unit: 'kills',
    counts: { ci: 1000, full: 10_000 },
    programs: ['crash_writer_main'],
    command: [
      '{program:crash_writer_main}',
      '--dir',
      '{dir}/log',
      '--count',
      '{count}',
      '--seed',
      '{seed}',
    ],
  }),
]
