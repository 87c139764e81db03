// kinesis-local, the mock of Kinesis that is written in Scala, compiled to JavaScript.
import { kinesisPeer } from './lib/kinesis.mjs'
import { freePort } from './lib/programs.mjs'

export const kinesisLocal = kinesisPeer({
  id: 'kinesis-local',
  version: '0.6.2',
  probes: { batches: 500, single: 50 },
  commandOf: async (port) => ({
    script: 'main.js',
    env: {
      KINESIS_MOCK_PLAIN_PORT: String(port),
      KINESIS_MOCK_TLS_PORT: String(await freePort()),
      CREATE_STREAM_DURATION: '0s',
      DELETE_STREAM_DURATION: '0s',
      SHARD_LIMIT: '1000',
      LOG_LEVEL: 'ERROR',
    },
  }),
})
