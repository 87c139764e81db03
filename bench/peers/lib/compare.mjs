// Puts the figures of peers beside rows of ours: each workload of a peer is measured once a run.
import { judged } from '../../lib/bars.mjs'
import { isTime } from '../../lib/values.mjs'
import { comparisonsOf, peers } from '../catalog.mjs'
import { measureWorkload } from './driver.mjs'
import { Absent, cacheDirectory } from './sources.mjs'

/** The first line says what is wrong; what a program said to it is for the terminal. */
const firstLine = (error) => error.message.split('\n')[0]

/** What ours did with a second of its processor, where its row says so. */
const recordsPerCpuSecondOf = ({ info }) =>
  info?.recordsPerBrokerCpuSecond ?? info?.recordsPerCpuSecond

/** A row in GB/s is about the data of its records alone, and about as many a second. */
const recordsPerSecondOf = ({ value, unit, params }) =>
  unit === 'GB/s' ? (value * 1e9) / params.recordBytes : value

/** Of a peer whose percentiles were measured, the one that the row is about. */
function withValue(row, figure) {
  const { percentiles } = figure
  if (percentiles === undefined) return figure
  return { ...figure, value: percentiles[/p[\d.]+$/.exec(row.name)[0]] }
}

/** How many times better ours is: of times less is. */
const ratioOf = (row, { value }) =>
  isTime(row.unit) ? value / row.value : recordsPerSecondOf(row) / value

/** One entry of the `peers` of a row: a figure with its ratio, ours over theirs, or an absence. */
export function entryOf(row, comparison, found, load) {
  if (found.absent !== undefined) return { name: found.name, absent: found.absent }
  const figure = withValue(row, found)
  const ratio = ratioOf(row, figure)
  const ofCpu = isTime(row.unit) ? undefined : recordsPerCpuSecondOf(row)
  const byCpuTime =
    ofCpu === undefined ? {} : { ratioByCpuTime: ofCpu / figure.recordsPerCpuSecond }
  const isJudged = load !== 'tiny' && comparison.bars !== undefined
  const goal = isJudged ? judged(comparison.bars, (bar) => ratio >= bar) : undefined
  return { ...figure, ratio, ...byCpuTime, ...(goal === undefined ? {} : { goal }) }
}

/** Peers of one run, installed ones alone. */
export class Peers {
  #context
  #print
  #installed = new Map()
  #figures = new Map()
  failures = []

  /** `directory` is where servers write; `load` is full, quick or tiny; `minutes` are for X2. */
  constructor({ directory, load, minutes }, print) {
    this.#context = { directory, load, minutes }
    this.#print = print
  }

  /** Adds `peers` to those rows that have something to be compared with. */
  async addTo(rows) {
    for (const row of rows) {
      const entries = []
      for (const comparison of comparisonsOf(row)) {
        const figure = await this.#figureOf(comparison)
        entries.push(entryOf(row, comparison, figure, this.#context.load))
      }
      if (entries.length > 0) row.peers = entries
    }
  }

  async #figureOf({ peer: id, workload }) {
    const key = `${id}: ${workload}`
    if (!this.#figures.has(key)) this.#figures.set(key, await this.#measure(peers[id], workload))
    return this.#figures.get(key)
  }

  async #measure(peer, workload) {
    const name = peer.name
    try {
      const installed = await this.#install(peer)
      this.#print(`peer ${name} ${installed.version}: ${peer.workloads[workload].what}`)
      const figure = await measureWorkload(peer, installed, workload, this.#context)
      return { name, version: installed.version, ...figure }
    } catch (error) {
      if (!(error instanceof Absent)) this.failures.push(`peer ${name}: ${error.message}`)
      this.#print(`peer ${name}: absent: ${firstLine(error)}`)
      return { name, absent: firstLine(error) }
    }
  }

  async #install(peer) {
    if (!this.#installed.has(peer.id)) {
      const cache = { directory: cacheDirectory(), mayInstall: false }
      this.#installed.set(peer.id, await peer.install(cache))
    }
    return this.#installed.get(peer.id)
  }
}
