// kinesis-local, the mock of Kinesis that is written in Scala, compiled to JavaScript.
import { join } from 'node:path'
import { kinesisWorkloads, loadKinesis } from './lib/kinesis.mjs'
import { freePort, startServer } from './lib/programs.mjs'
import { fromNpm } from './lib/sources.mjs'

const version = '0.6.2'
const startSeconds = 60

export const kinesisLocal = {
  id: 'kinesis-local',
  name: 'kinesis-local',
  workloads: kinesisWorkloads({ batches: 500, single: 50 }),

  async install(cache) {
    return { version, package: await fromNpm(cache, 'kinesis-local', version) }
  },

  async start({ installed }) {
    const [port, tlsPort] = [await freePort(), await freePort()]
    const env = {
      KINESIS_MOCK_PLAIN_PORT: String(port),
      KINESIS_MOCK_TLS_PORT: String(tlsPort),
      CREATE_STREAM_DURATION: '0s',
      DELETE_STREAM_DURATION: '0s',
      SHARD_LIMIT: '1000',
      LOG_LEVEL: 'ERROR',
    }
    // It reads the certificate that stands beside it from where it runs.
    const options = { port, env, cwd: installed.package, seconds: startSeconds }
    return await startServer([process.execPath, join(installed.package, 'main.js')], options)
  },

  load: loadKinesis,
}
