// Bugs of the benches.
import { vitestMutants } from './kinds.mjs'

export const bench = vitestMutants('test/bench', [
  ['290-peers-times-turned-round', 'peers', 'the one of the same percentile'],
  ['291-peers-records-not-looked-at', 'peer-latency', 'is sent something else'],
  ['292-matrix-leaves-rows-out', 'readme', 'when they are named, and not else'],
])
