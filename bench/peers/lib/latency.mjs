// From a record that was due to its coming to each subscriber, of a peer that keeps it in between.
import { fileURLToPath } from 'node:url'
import { soakLoads, soakParts } from '../../lib/soak.mjs'
import { runProgram } from './programs.mjs'
import { payload } from './records.mjs'

const inLatency = (name) => fileURLToPath(new URL(`../latency/${name}`, import.meta.url))

/** Seconds of a load, and of those the ones before anything is measured, by its size. */
const native = {
  full: { all: 5, warmUp: 1 },
  quick: { all: 1, warmUp: 0.2 },
  tiny: { all: 0.2, warmUp: 0 },
}
/** A client that is compiled anew in each load takes seconds until it is as fast as it gets. */
const compiled = {
  full: { all: 9, warmUp: 5 },
  quick: { all: 4, warmUp: 3 },
  tiny: { all: 0.2, warmUp: 0 },
}

/** Workloads of a peer, by name: the rates of L1 and L2, or the one of L3. */
export const latencyWorkloads = (name, loads, more) =>
  Object.fromEntries(
    loads.map(({ rate, subscribers = 1 }) => [
      `${name}, ${rate}/s`,
      {
        what: `${name}, ${rate} records/s by a timetable, ${subscribers} ${
          subscribers === 1 ? 'subscriber' : 'subscribers'
        }`,
        rate,
        subscribers,
        ...more,
      },
    ]),
  )

export const ratesOfOne = [{ rate: 1000 }, { rate: 50_000 }]

/** What a load is told, behind its protocol. */
function argumentsOf({ server, settings, load }, seconds) {
  const { all, warmUp } = seconds[load]
  const { rate, subscribers } = settings
  return [server.port, rate, Math.ceil(rate * all), Math.floor(rate * warmUp), subscribers].map(
    String,
  )
}

async function runScript(name, args, { seconds }) {
  const command = [process.execPath, inLatency(name), ...args]
  return JSON.parse(await runProgram(command, { place: 'last', seconds }))
}

/** Percentiles in microseconds, by the raw protocol of `redis` or `nats`. */
export const loadLatency = (protocol, about) =>
  runScript('load.mjs', [protocol, ...argumentsOf(about, native)], about)

/** What is retained grows all the time, and with it what a replay has to read. */
const soakMinutesMax = 2
/** A peer that is as much behind has figures that say so, and no more is to be learnt. */
const lateSecondsMax = 30
/** What is acknowledged later than this is taken to be lost. */
const partSecondsMax = 120

/** The load of X2, `rate` being that of a full one. */
export const soakWorkload = (what, more) => ({
  what,
  rate: soakLoads.full.rate,
  partsOf: (load, minutes) => soakParts(load, Math.min(minutes, soakMinutesMax)),
  ...more,
})

/**
 * A part of X2 beside NATS: the load adds to what is there, of which a program of its own reads all
 * from the oldest record on, for as long as the load puts. Ends when both have.
 */
export async function loadSoak(about) {
  const { rate, subscribers, partSeconds, warmUpSeconds } = soakLoads[about.load]
  const seconds = warmUpSeconds + partSeconds
  const settings = { rate, subscribers }
  const limit = { seconds: partSecondsMax }
  const part = { [about.load]: { all: seconds, warmUp: warmUpSeconds } }
  const args = ['nats', ...argumentsOf({ ...about, settings }, part), String(lateSecondsMax)]
  const [loaded, read] = await Promise.allSettled([
    runScript('load.mjs', args, limit),
    runScript('nats-replay.mjs', [about.server.port, seconds].map(String), limit),
  ])
  for (const { reason } of [loaded, read]) if (reason !== undefined) throw reason
  const { replayed, there } = read.value
  const check = `${loaded.value.check}, ${replayed} of ${there} replayed`
  return { ...loaded.value, check }
}

/** Its virtual machine starts, compiles it and subscribes all, which a busy machine is slow at. */
const kafkaStartSeconds = 170

/** The same by the client of Kafka, which is Java: compiled as it starts. */
export async function loadKafkaLatency(about) {
  const source = [inLatency('KafkaLatency.java'), ...argumentsOf(about, compiled), payload(100)]
  const command = ['java', '-cp', about.installed.classPath, ...source]
  const seconds = compiled[about.load].all + kafkaStartSeconds
  const what = 'the client of Kafka'
  return JSON.parse(await runProgram(command, { place: 'last', seconds, what }))
}
