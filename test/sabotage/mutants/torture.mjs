// Bugs of the torture tests: a verdict that is wrong.
import { vitestMutants } from './kinds.mjs'

export const torture = vitestMutants('test/unit', [
  ['401-idle-loop-forgotten', 'torture-tests', 'broker/loop-watch.test.mjs'],
])
