// kinesalite, an emulator of Kinesis in Node, with its store in memory.
import { kinesisPeer } from './lib/kinesis.mjs'

const times = ['--createStreamMs', '0', '--deleteStreamMs', '0', '--shardLimit', '1000']

export const kinesalite = kinesisPeer({
  id: 'kinesalite',
  version: '3.3.3',
  probes: { batches: 2000, single: 200 },
  commandOf: (port) => ({ script: 'cli.js', args: ['--port', String(port), ...times] }),
})
