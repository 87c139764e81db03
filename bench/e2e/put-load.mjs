// A generator of PutRecords in JavaScript, over one connection, plain or with TLS. It does what
// `ws_load` does: it keeps so many frames in flight, checks each answer, and reads everything back.
//
//   node put-load.mjs OPTIONS   as JSON, named as those of ws_load; `ca`: the authority of a port with TLS
import { once } from 'node:events'
import WebSocket from 'ws'
import { cpuSecondsOf, ownCpuSeconds } from '../lib/process.mjs'
import { loadPart } from '../micro/package.mjs'
import { someBytes } from '../micro/some-bytes.mjs'

const { encodePutRecords, stampRequestId } = await loadPart('wire/put-builder.js')
const { decodeBrokerFrame } = await loadPart('wire/frame.js')
const { connect } = await loadPart('client/node.js')

const options = JSON.parse(process.argv[2])
const { port, ca, stream, durability, iterators, serverPid } = options
const { records, recordBytes, window, frames, warmUp } = options
const url = `${ca === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}`
const tls = ca === undefined ? {} : { ca }

function makeFrame(seed) {
  const data = someBytes(records * recordBytes, seed)
  const keyed = Array.from({ length: records }, (_, at) => {
    const own = data.subarray(at * recordBytes, (at + 1) * recordBytes)
    return { key: own.toString('hex', 0, 8), data: own }
  })
  return encodePutRecords(0, { streamName: stream, durability }, keyed)
}

/** One for each that is in flight: a frame is sent from where it lies, and stamped anew once it is answered. */
const ring = Array.from({ length: window }, (_, at) => makeFrame(at + 1))

const socket = new WebSocket(url, 'millrace.v1', {
  ...tls,
  perMessageDeflate: false,
  // A mask of zeros costs nothing, as that of the client of the package.
  generateMask: (mask) => mask.fill(0),
})
await once(socket, 'message') // welcome

let sent = 0
/** Sends so many frames; answers when all are acknowledged. */
async function put(count) {
  const end = sent + count
  let left = count
  await new Promise((resolve, reject) => {
    const send = () => {
      const frame = ring[sent % window]
      sent += 1
      stampRequestId(frame, sent)
      socket.send(frame)
    }
    socket.onmessage = ({ data }) => {
      const { kind, error } = decodeBrokerFrame(data)
      if (kind !== 'answer') reject(error ?? new Error(`a frame of kind ${kind}`))
      left -= 1
      if (sent < end) send()
      if (left === 0) resolve()
    }
    socket.onclose = () => reject(new Error('the connection was lost'))
    for (let first = Math.min(window, count); first > 0; first -= 1) send()
  })
}

async function readBack() {
  const client = await connect(url, { tls })
  let found = 0
  for (let iterator of iterators.split(',')) {
    for (let count = 1; count > 0; found += count) {
      const { recordCount, nextShardIterator } = await client.getRecords(iterator)
      count = recordCount
      iterator = nextShardIterator
    }
  }
  await client.close()
  return found
}

await put(warmUp)
const cpuStart = { own: ownCpuSeconds(), server: cpuSecondsOf(serverPid) }
const start = performance.now()
await put(frames)
const seconds = (performance.now() - start) / 1000
const cpuSeconds = ownCpuSeconds() - cpuStart.own
const serverCpuSeconds = cpuSecondsOf(serverPid) - cpuStart.server
socket.onclose = null
socket.terminate()
const found = await readBack()
const wanted = (warmUp + frames) * records
if (found !== wanted) throw new Error(`${found} of ${wanted} records are there`)
const verified = `${found} records read back`
const frameBytes = ring[0].length
const idleShare = Math.max(0, 1 - cpuSeconds / seconds)
const report = {
  records: frames * records,
  seconds,
  serverCpuSeconds,
  idleShare,
  frameBytes,
  verified,
}
process.stdout.write(`${JSON.stringify(report)}\n`)
