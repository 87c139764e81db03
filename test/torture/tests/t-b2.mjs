// Scrubbing an open log (native/scrub_main.cc).
import { commandTest } from '../lib/command-test.mjs'

export const tests = [
  commandTest({
    id: 'T-B2',
    title: 'random damage in sealed segments while serving: one scrub names all of it',
    unit: 'damages',
    counts: { ci: 500, full: 20_000 },
    programs: ['scrub_main'],
    command: [
      '{program:scrub_main}',
      '--count',
      '{count}',
      '--seed',
      '{seed}',
      '--dir',
      '{dir}/log',
    ],
  }),
]
