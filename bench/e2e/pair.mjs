// What something costs the ingest of I2: the same load with it and without it, in blocks of four
// short turns, with and without in the order ABBA and then BAAB, so that what changes meanwhile is the
// same for both. Both sides take their turns in one process, as two processes differ by where their
// memory lies and what was compiled; several processes, one after the other, as one may be an exception.
// Each block is a ratio. Blocks are added until the interval of their median is narrow.
import { medianInterval } from '../lib/median-interval.mjs'
import { addRow, logOptions, pick } from '../micro/harness.mjs'
import { limitOptions, putRecords, shards, turnOfBroker, withWarmUp } from './puts.mjs'
import { withBroker } from './servers.mjs'
import { reportedSecondsMin, Turns } from './turns.mjs'

/** The broker makes a key of this id for itself. */
export const keyId = 'bench'

const framesOfTurn = Math.max(8, Math.floor(pick(200e6, 4e6, 200e3) / putRecords.frameBytes))
const load = { ...putRecords.load, ...withWarmUp(framesOfTurn) }
const blocksPerProcess = pick(8, 2, 1)
const blocks = pick({ least: 24, most: 64 }, { least: 1, most: 1 }, { least: 1, most: 1 })
const turnsPerBlock = pick(4, 2, 2)
/** Of one pair: a slow machine has fewer blocks, and a wider interval. */
const secondsMax = 100
/** In a process that is new: for memory that has been used before, and for compiled code. */
const warmUpBlocks = pick(1, 0, 0)
/** An interval of the ratio by CPU time is narrow when it reaches no farther to either side. */
const halfWidthMax = 0.015

/** The turns of one pair, and a ratio for each block of them. */
class Pair {
  with = new Turns()
  without = new Turns()
  byClock = []
  byCpuTime = []

  add(block) {
    const sum = (side, of) =>
      block[side].reduce((total, report) => total + Math.max(report[of], reportedSecondsMin), 0)
    const ratio = (of) => sum('without', of) / sum('with', of)
    this.byClock.push(ratio('seconds'))
    this.byCpuTime.push(ratio('serverCpuSeconds'))
    for (const side of ['with', 'without']) for (const report of block[side]) this[side].add(report)
  }

  get isNarrow() {
    const { low, high } = medianInterval(this.byCpuTime)
    return (high - low) / 2 <= halfWidthMax
  }
}

const orders = [
  ['without', 'with', 'with', 'without'],
  ['with', 'without', 'without', 'with'],
]

async function oneBlock(servers, variant, number) {
  const block = { with: [], without: [] }
  for (const side of orders[number % orders.length].slice(0, turnsPerBlock)) {
    block[side].push(
      await turnOfBroker(servers, load, side === 'with' ? variant : (variant.both ?? {})),
    )
  }
  return block
}

const inNewProcess = (run) => withBroker({ logOptions, ...limitOptions, keyId }, run)

/**
 * Measures variants, and adds a row for each. `turnOfBroker` says what they may have; `both` is what
 * the side without has, too, which the row calls `without`.
 */
export async function measurePairs(variants) {
  // Where a block each is all, to start a process takes longer than the block: they share one.
  if (blocks.most > 1) {
    for (const variant of variants) await measurePair(variant, inNewProcess)
  } else {
    await inNewProcess(async (servers) => {
      for (const variant of variants) await measurePair(variant, (run) => run(servers))
    })
  }
}

async function measurePair(variant, inProcess) {
  const pair = new Pair()
  const deadline = Date.now() + secondsMax * 1000
  const isOver = () => {
    const count = pair.byCpuTime.length
    return count >= blocks.most || (count > 0 && Date.now() > deadline)
  }
  let processes = 0
  while (!isOver() && (pair.byCpuTime.length < blocks.least || !pair.isNarrow)) {
    processes += 1
    await inProcess(async (servers) => {
      for (let number = -warmUpBlocks; number < blocksPerProcess && !isOver(); number += 1) {
        const block = await oneBlock(servers, variant, number + warmUpBlocks)
        if (number >= 0) pair.add(block)
      }
    })
  }
  addPair(variant, pair, processes)
}

function addPair({ name, without = 'the same without' }, pair, processes) {
  const [clock, cpuTime] = [medianInterval(pair.byClock), medianInterval(pair.byCpuTime)]
  const { verified, frameBytes } = pair.with.last
  const of = { ...load, shards, frameBytes, durability: 'os', memory: 'recycled segments' }
  const order = { order: 'ABBA, BAAB', blocks: pair.byClock.length, turnsPerBlock, processes }
  addRow(`${putRecords.name}, ${name}${pair.with.mark}`, pair.with.rate, 'records/s', {
    params: { ...of, ...order },
    info: {
      recordsPerBrokerCpuSecond: pair.with.cpuRate.median,
      shareOfLimitByCpuTime: cpuTime.median,
      generatorIdleShare: pair.with.idle.median,
    },
    limit: {
      name: `${without}${pair.without.mark}`,
      value: pair.without.rate.median,
      unit: 'records/s',
    },
    paired: { byClock: clock, byCpuTime: cpuTime },
    cpuSeconds: pair.with.cpuSeconds,
    check: `${verified} after the last turn`,
  })
}
