// From a record that was due to its coming to each subscriber, of a peer that keeps it in between.
import { fileURLToPath } from 'node:url'
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

/** Percentiles in microseconds, by the raw protocol of `redis` or `nats`. */
export async function loadLatency(protocol, about) {
  const command = [process.execPath, inLatency('load.mjs'), protocol, ...argumentsOf(about, native)]
  return JSON.parse(await runProgram(command, { place: 'last', seconds: about.seconds }))
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
