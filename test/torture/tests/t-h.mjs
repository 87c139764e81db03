// The judge is judged first: it has to find every planted violation and none in good histories.
import { commandTest } from '../lib/command-test.mjs'

export const tests = [
  commandTest({
    id: 'T-H',
    title: 'the history checker finds what is planted, and nothing else',
    unit: 'histories',
    counts: { ci: 2000, full: 10_000 },
    programs: ['history_check_main'],
    command: ['{program:history_check_main}', '--count', '{count}', '--seed', '{seed}'],
  }),
]
