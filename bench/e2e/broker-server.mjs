// The broker that is measured: the compiled package in a process of its own, which serves until its
// input ends. Prints its port as JSON.
//
//   node broker-server.mjs DIST DIR LOG_OPTIONS
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'

const [dist, dir, logOptions] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(join(resolve(dist), path)).href)
const { Broker } = await load('broker/broker.js')
const { startServer } = await load('server/server.js')

const broker = await Broker.open({ dir, logOptions: JSON.parse(logOptions) })
const logger = pino({ level: 'warn' }, pino.destination(2))
const server = await startServer({ broker, host: '127.0.0.1', port: 0, logger, version: 'bench' })

process.stdin.resume().once('end', async () => {
  await server.stop()
  await broker.close()
  process.exit()
})
process.stdout.write(`${JSON.stringify({ port: server.port })}\n`)
