// Bugs of the benches.
import { vitestMutants } from './kinds.mjs'

export const bench = vitestMutants('test/bench', [
  ['290-peers-times-turned-round', 'peers', 'the one of the same percentile'],
  ['291-peers-records-not-looked-at', 'peer-latency', 'is sent something else'],
  ['292-matrix-leaves-rows-out', 'readme', 'when they are named, and not else'],
  ['510-held-with-room', 'held-memory', 'room that a load leaves behind'],
  ['511-held-with-what-was-freed', 'held-memory', 'what malloc keeps between pieces'],
  ['512-held-without-buffers', 'held-memory', 'is what is in use, in buffers'],
  ['513-held-without-a-bar', 'readme', 'to what the broker holds'],
])
