// Bit rot on a simulated disk (native/bit_rot_main.cc).
import { commandTest } from '../lib/command-test.mjs'

export const tests = [
  commandTest({
    id: 'T-B1',
    title: 'damaged bytes and files: nothing wrong served, nothing missing unnoticed',
    unit: 'damages',
    counts: { ci: 10_000, full: 1_000_000 },
    programs: ['bit_rot_main'],
    command: ['{program:bit_rot_main}', '--count', '{count}', '--seed', '{seed}'],
  }),
]
