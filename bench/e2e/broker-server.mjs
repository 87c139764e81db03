// The broker that is measured: the compiled package in a process of its own, which serves until its
// input ends, and puts records itself when it is told to. Prints its port as JSON.
//
//   node broker-server.mjs DIST DIR OPTIONS
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { serveCommands } from './commands.mjs'
import { ObservedBroker } from './producer.mjs'

const [dist, dir, options] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(join(resolve(dist), path)).href)
const { Broker } = await load('broker/broker.js')
const { startServer } = await load('server/server.js')

const { logOptions, limits = {}, shardLimits, readLimits, keyId } = JSON.parse(options)
const keyFile = keyId === undefined ? undefined : `${dir}.keys`
if (keyFile !== undefined) {
  writeFileSync(keyFile, `${keyId} ${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
}
// A bench measures the shards that it has made.
const scaling = { disabled: true }
const broker = await Broker.open({ dir, logOptions, shardLimits, readLimits, scaling, keyFile })
const observed = new ObservedBroker(broker)
const logger = pino({ level: 'warn' }, pino.destination(2))
const server = await startServer({
  broker: observed,
  host: '127.0.0.1',
  port: 0,
  logger,
  limits,
  version: 'bench',
})

await serveCommands(
  server.port,
  {
    putAhead: (command) => observed.putAhead(command),
    fill: (command) => observed.fill(command),
  },
  async () => {
    await server.stop()
    await broker.close()
  },
)
