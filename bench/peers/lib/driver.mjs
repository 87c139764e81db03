// Measures one workload of a peer: a small load first, which says how large the others may be, then
// several that take some seconds each.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cpuSecondsOf } from './programs.mjs'

const loads = {
  full: { repetitions: 3, seconds: 2 },
  quick: { repetitions: 2, seconds: 1 },
  tiny: { repetitions: 1, seconds: 0 },
}

/** What a load may take before it is ended: many times what it should. */
const loadSecondsMax = 60
/** What a peer may be given at once, so that neither disk nor memory of the machine fills. */
const recordsMax = 5_000_000

/** How many records take about so many seconds, after `probe` of them took `probeSeconds`. */
export function recordsFor(seconds, probe, probeSeconds, most = recordsMax) {
  const rate = probe / Math.max(probeSeconds, 1e-6)
  return Math.max(probe, Math.min(most, Math.round(rate * seconds)))
}

const medianOf = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]

/** `handled` are all records of a load, where not all of them are timed. */
const recordsPerCpuSecondOf = ({ records, handled = records, cpuSeconds }) =>
  handled / Math.max(cpuSeconds, 0.01)

/** What a load had left of its processor; tools of peers do not say. */
function idleShareOf(reports) {
  const shares = reports.map((it) => it.generatorIdleShare).filter((it) => it !== undefined)
  return shares.length === 0 ? {} : { generatorIdleShare: medianOf(shares) }
}

/** The figures of several loads. */
export function summarize(reports) {
  const rates = reports.map((it) => it.records / it.seconds)
  return {
    value: medianOf(rates),
    low: Math.min(...rates),
    high: Math.max(...rates),
    repetitions: rates.length,
    unit: 'records/s',
    recordsPerCpuSecond: medianOf(reports.map(recordsPerCpuSecondOf)),
    ...idleShareOf(reports),
    check: reports.at(-1).check,
  }
}

/** The medians of the percentiles of several loads by a timetable, in microseconds. */
export function summarizeTimes(reports) {
  const names = ['p50', 'p99', 'p99.9', 'max']
  const medians = names.map((name) => [name, medianOf(reports.map((it) => it[name]))])
  return {
    percentiles: Object.fromEntries(medians),
    repetitions: reports.length,
    unit: 'us',
    lateShare: medianOf(reports.map((it) => it.lateShare)),
    check: reports.at(-1).check,
  }
}

/** A load by a timetable takes the time that it should; the first is for what has to be compiled. */
async function measureTimes(peer, about, { load, repetitions }) {
  const one = () => peer.load({ ...about, load, seconds: loadSecondsMax })
  await one()
  const reports = []
  while (reports.length < repetitions) reports.push(await one())
  return summarizeTimes(reports)
}

/** One load, with the CPU seconds that the server took for it where the peer has one. */
async function loadOnce(peer, about, records) {
  const { server } = about
  await peer.prepare?.({ ...about, records, seconds: loadSecondsMax })
  const before = server === undefined ? 0 : cpuSecondsOf(server.pid)
  const report = await peer.load({ ...about, records, seconds: loadSecondsMax })
  const cpuSeconds = server === undefined ? report.cpuSeconds : cpuSecondsOf(server.pid) - before
  return { ...report, cpuSeconds }
}

/**
 * @returns `what`, `durability`, the figures of `summarize`, and what proves the work.
 * @throws when the peer fails, loses a record or takes too long.
 */
export async function measureWorkload(peer, installed, workload, context) {
  const { directory, load, minutes } = context
  const settings = peer.workloads[workload]
  const { repetitions, seconds } = loads[load]
  const scratch = mkdtempSync(join(directory, `millrace-peer-${peer.id}-`))
  const about = { installed, workload, settings, directory: scratch }
  const { what, durability } = settings
  let server
  try {
    server = await peer.start?.(about)
    if (settings.rate !== undefined) {
      const loading = { ...about, server }
      const times = settings.partsOf?.(load, minutes) ?? repetitions
      const figures = await measureTimes(peer, loading, { load, repetitions: times })
      return { what, durability, ...figures }
    }
    const probe = await loadOnce(peer, { ...about, server }, settings.probe)
    const records = recordsFor(seconds, probe.records, probe.seconds, settings.recordsMax)
    const reports = []
    while (reports.length < repetitions) {
      reports.push(await loadOnce(peer, { ...about, server }, records))
    }
    return { what, durability, ...summarize(reports) }
  } finally {
    await server?.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
}
