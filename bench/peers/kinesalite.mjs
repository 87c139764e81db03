// kinesalite, an emulator of Kinesis in Node, with its store in memory.
import { join } from 'node:path'
import { kinesisWorkloads, loadKinesis } from './lib/kinesis.mjs'
import { freePort, startServer } from './lib/programs.mjs'
import { fromNpm } from './lib/sources.mjs'

const version = '3.3.3'
const startSeconds = 30

export const kinesalite = {
  id: 'kinesalite',
  name: 'kinesalite',
  workloads: kinesisWorkloads({ batches: 2000, single: 200 }),

  async install(cache) {
    return { version, package: await fromNpm(cache, 'kinesalite', version) }
  },

  async start({ installed }) {
    const port = await freePort()
    const times = ['--createStreamMs', '0', '--deleteStreamMs', '0', '--shardLimit', '1000']
    const command = [process.execPath, join(installed.package, 'cli.js'), '--port', String(port)]
    return await startServer([...command, ...times], { port, seconds: startSeconds })
  },

  load: loadKinesis,
}
