// node nats-replay.mjs PORT SECONDS: reads the stream of load.mjs from its oldest record on, until it
// has what was there when it began or the seconds are over, and says as JSON how many it has got.
import { payload } from '../lib/records.mjs'
import { replayNats } from './nats.mjs'

const [port, seconds] = process.argv.slice(2).map(Number)
const report = await replayNats({ port, data: payload(100), seconds })
process.stdout.write(`${JSON.stringify(report)}\n`)
