/**
 * The demonstration, `npm run demo`: a broker on an empty directory, real data through the producer
 * at full speed, two registered consumers to which it is pushed at the same time, and a proof that
 * nothing was lost, doubled or put out of order. With `--once` it ends with 0 or 1; else the broker
 * stays.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { type Client, connect } from '../../client/node.ts'
import { type BrokerProcess, startBroker } from '../broker-process.ts'
import { CliError, type ExitCode, exitCodes, Stopped } from '../exit-codes.ts'
import { CliOption } from '../help.ts'
import { wholeNumber } from '../option-values.ts'
import { Output } from '../output.ts'
import { formatCount } from '../units.ts'
import { readFlights } from './flights.ts'
import { liveRates } from './live-rates.ts'
import { Replay, stream } from './replay.ts'
import { figures, nextCommands, verdict } from './summary.ts'

const shardCount = 4
const consumerCount = 2
const usualRecords = 400_000

interface DemoOptions {
  readonly once?: boolean
  readonly records?: number
}

const output = new Output({
  stdout: process.stdout,
  stderr: process.stderr,
  json: false,
  environment: process.env,
})
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => stop.abort(new Stopped(name)))
}

/** Runs the replay against a broker, and prints what came of it. */
async function replay(broker: BrokerProcess, total: number): Promise<ExitCode> {
  const flights = readFlights()
  output.line(
    `replaying ${formatCount(total)} records: flights in the USA in 2001, keyed by their origin`,
  )
  const clients: Client[] = []
  try {
    for (let index = 0; index <= consumerCount; index += 1) clients.push(await connect(broker.url))
    const [producer, ...consumers] = clients as [Client, ...Client[]]
    await producer.createStream(stream, { shardCount })
    const run = new Replay({ flights, total, producer, consumers, signal: stop.signal })
    await run.register()
    const started = performance.now()
    const stopRates = liveRates(output, run)
    try {
      await run.run()
    } finally {
      stopRates()
    }
    for (const line of figures(run, performance.now() - started)) output.line(line)
    const { line, isClean } = verdict(run)
    output.line(line)
    return isClean ? exitCodes.done : exitCodes.failed
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

/** Keeps the broker until it is stopped, or ends by itself. */
async function stay(broker: BrokerProcess): Promise<void> {
  for (const line of nextCommands(broker.url)) output.line(line)
  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await Promise.race([stopped, broker.ended])
}

async function demo({ once = false, records = usualRecords }: DemoOptions): Promise<ExitCode> {
  const data = mkdtempSync(join(tmpdir(), 'millrace-demo-'))
  try {
    output.line(`starting a broker on the empty directory ${data}`)
    const broker = await startBroker(data)
    try {
      const exit = await replay(broker, records)
      if (!once) await stay(broker)
      return exit
    } finally {
      await broker.stop()
    }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

const options = new Command('demo')
  .addOption(new CliOption('--once', 'end with 0 or 1 instead of leaving the broker running'))
  .addOption(wholeNumber(new CliOption('--records <n>', 'how many records to put'), 1))
  .parse()
  .opts<DemoOptions>()

try {
  process.exitCode = (await demo(options)).status
} catch (error) {
  output.endProgress()
  if (error instanceof Stopped) process.exitCode = error.exit.status
  else if (error instanceof CliError) {
    output.note(`error: ${error.message}\nhint: ${error.hint}`)
    process.exitCode = error.exit.status
  } else throw error
}
