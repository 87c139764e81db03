// The ceiling of fan-out: what uWebSockets.js sends when nothing is decided, and there is no log, or
// the least that could be one. The same frame to each socket, and the next one when all have taken
// it. Prints its port as JSON.
// biome-ignore lint/style/noRestrictedImports: the ceiling is uWebSockets without a broker around it
import uWS from 'uWebSockets.js'
import { serveCommands } from './commands.mjs'
import { rawBatch, stampSequence } from './raw-batch.mjs'
import { RawLog } from './raw-log.mjs'
import { SyncedFile } from './synced-file.mjs'

const payloadBytesMax = 16 * 1024 * 1024
const sentAtOnce = 1
const ack = new Uint8Array(16)
/** How long it sends before it looks after its sockets, in milliseconds, and how often it asks. */
const turnMillis = 1
const sendsPerLook = 8

const sockets = new Set()
let relayed

/** The frames of one run. */
class Rounds {
  #frame
  #log
  #left
  #sequence = 0
  #sockets = []
  #at = 0
  #blocked = 0
  #done

  /** Each frame goes to the log first, where there is one. */
  constructor(frame, frames, log, done) {
    this.#frame = frame
    this.#log = log
    this.#left = frames
    this.#sockets = [...sockets]
    this.#done = done
    this.#begin()
  }

  run = () => {
    const end = performance.now() + turnMillis
    for (let sends = 1; this.#left > 0 && this.#blocked === 0; sends += 1) {
      if (sends % sendsPerLook === 0 && performance.now() >= end) {
        setImmediate(this.run)
        return
      }
      this.#send(this.#sockets[this.#at])
      this.#at += 1
      if (this.#at === this.#sockets.length) this.#begin()
    }
    if (this.#left === 0) this.#done()
  }

  drained() {
    this.#blocked -= 1
    if (this.#blocked === 0) setImmediate(this.run)
  }

  #begin() {
    if (this.#sequence > 0) this.#left -= 1
    this.#at = 0
    stampSequence(this.#frame, 1 + this.#sequence * this.#frame.records)
    this.#sequence += 1
    if (this.#left > 0) this.#log?.append(this.#frame.bytes)
  }

  #send(socket) {
    if (socket.send(this.#frame.bytes, true) !== sentAtOnce) {
      this.#blocked += 1
      socket.waits = true
    }
  }
}

/** One message in, one frame out to each subscriber: what a put and a push are without a log. */
function relay(from) {
  if (relayed.file !== undefined) {
    relayed.file.write(from)
    return
  }
  stampNext()
  for (const socket of sockets) socket.send(relayed.frame.bytes, true)
  from.send(ack, true)
}

function stampNext() {
  stampSequence(relayed.frame, relayed.sequence)
  relayed.sequence += 1
}

/** A message with so many batches, for as many that came in. */
function batchesOf(group) {
  const { bytes } = relayed.frame
  const message = new Uint8Array(group.length * bytes.length)
  for (let at = 0; at < message.length; at += bytes.length) {
    stampNext()
    message.set(bytes, at)
  }
  return message
}

/** What shared a sync leaves together, as with any server that wants to keep up. */
function handOn(group, bytes) {
  for (const socket of sockets) socket.send(bytes, true)
  for (const from of new Set(group)) {
    from.cork(() => {
      for (const it of group) if (it === from) from.send(ack, true)
    })
  }
}

const app = uWS.App()
let rounds
app.ws('/*', {
  maxPayloadLength: payloadBytesMax,
  maxBackpressure: payloadBytesMax,
  idleTimeout: 0,
  message(socket, message) {
    if (message.byteLength > 1) {
      relay(socket)
    } else {
      sockets.add(socket)
      socket.send(ack, true)
    }
  },
  drain(socket) {
    if (!socket.waits || socket.getBufferedAmount() > 0) return
    socket.waits = false
    rounds?.drained()
  },
  close(socket) {
    sockets.delete(socket)
  },
})

app.listen('127.0.0.1', 0, uWS.LIBUS_LISTEN_EXCLUSIVE_PORT, async (listener) => {
  if (!listener) throw new Error('the raw server cannot listen on 127.0.0.1')
  await serveCommands(
    uWS.us_socket_local_port(listener),
    {
      async send({ frames, records, recordBytes, path }) {
        const log = path && new RawLog(path)
        await new Promise((resolve) => {
          rounds = new Rounds(rawBatch(records, recordBytes), frames, log, resolve)
          rounds.run()
        })
        log?.close()
      },
      relay({ recordBytes, path }) {
        relayed?.file?.close()
        const file = path && new SyncedFile(path, batchesOf, handOn)
        relayed = { frame: rawBatch(1, recordBytes), sequence: 1, file }
      },
    },
    () => undefined,
  )
})
