// What a connection costs a broker that has nothing to do with it: resident memory of its process
// before and after so many connections were made, each welcomed and none closed. A new broker each
// time, as memory that was given back would be counted for nothing; connections one after the other
// have warmed up what all of them share.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import WebSocket from 'ws'
import { ownCpuSeconds } from '../lib/process.mjs'
import { addRow, logOptions, pick, printReport, Series, withScratch } from '../micro/harness.mjs'
import { startBroker } from './servers.mjs'

const counts = pick([100, 1000, 10_000], [100, 1000], [10])
const repetitions = pick(5, 3, 1)
const warmUpConnections = pick(500, 300, 10)
/** For the garbage of the handshakes to be collected, where it is. */
const settleMillis = pick(1000, 300, 10)
const together = 20
// With those of the warm-up they are more than a broker lets in as fast as they come.
const limits = { connectsBurst: 2 * (counts.at(-1) + warmUpConnections) }
const dist = process.env.MILLRACE_BENCH_DIST ?? 'dist'

async function connect(port) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'millrace.v1', {
    perMessageDeflate: false,
  })
  await once(socket, 'message')
  return socket
}

async function connectMany(port, count) {
  const sockets = []
  while (sockets.length < count) {
    const some = Math.min(together, count - sockets.length)
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => connect(port)))))
  }
  return sockets
}

async function closeAll(sockets) {
  await Promise.all(
    sockets.map((socket) => {
      const closed = once(socket, 'close')
      socket.close()
      return closed
    }),
  )
}

async function residentKibibytes(pid) {
  await setTimeout(settleMillis)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1])
}

async function measure(broker, figures) {
  for (let done = 0; done < warmUpConnections; done += 1) {
    await closeAll(await connectMany(broker.port, 1))
  }
  const before = await residentKibibytes(broker.pid)
  const sockets = []
  for (const count of counts) {
    sockets.push(...(await connectMany(broker.port, count - sockets.length)))
    figures.get(count).add(((await residentKibibytes(broker.pid)) - before) / count)
  }
  await closeAll(sockets)
}

const figures = new Map(counts.map((count) => [count, new Series()]))
/** Of the whole of the last repetition, which all rows come from. */
let cpuSeconds
await withScratch(async (scratch) => {
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const before = ownCpuSeconds()
    const broker = await startBroker(dist, join(scratch, `data-${repetition}`), {
      logOptions,
      limits,
    })
    try {
      await measure(broker, figures)
      cpuSeconds = { broker: broker.cpuSeconds, generator: ownCpuSeconds() - before }
    } finally {
      await broker.stop()
    }
  }
})
for (const [count, figure] of figures) {
  addRow(`memory of an idle connection, ${count} of them`, figure, 'KiB', {
    params: { connections: count },
    cpuSeconds,
    check: `${count} welcomes`,
  })
}
printReport()
