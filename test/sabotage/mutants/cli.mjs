// Bugs of the command line.
import { vitestMutants } from './kinds.mjs'

export const cli = vitestMutants('test/unit/cli', [
  ['151-bench-counts-twice', 'bench/verdict', 'records that are repeated'],
  ['152-bench-reads-no-data', 'bench/bench-records', 'finds every byte'],
  ['153-bench-clock-from-send', 'bench/put-load', 'from when it was due'],
  ['215-access-file-unlocked', 'file-lock', 'none of them loses what another wrote'],
  ['261-doctor-reads-no-keys', 'protection', 'is read with the keys that it names'],
  ['486-usage-needs-all', 'program', 'hides no usage error of another'],
  ['421-first-message-unchecked', 'config', 'a first message may be larger than any'],
])
