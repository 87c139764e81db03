// A server of plain sockets: what it says on its first connection is up to the case, on those that
// follow it keeps to the rules and answers what it is asked.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { ClientReader } from './client-reader.mjs'
import { answer, binary, close, upgraded, welcome } from './frames.mjs'

const HOST = '127.0.0.1'
const EVENTS_MILLIS_MAX = 10_000

export class RawConnection {
  // Whether the client has ended it.
  isOver = false
  // Leaves it open although the client has said that it is done.
  isHeld = false
  reader
  #socket
  #watchers = new Set()

  constructor(socket, reader) {
    this.#socket = socket
    this.reader = reader
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      reader.take(chunk)
      this.#changed()
    })
    const over = () => {
      this.isOver = true
      if (!this.isHeld) socket.end()
      this.#changed()
    }
    socket.on('end', over)
    socket.on('error', over)
    socket.on('close', over)
  }

  get events() {
    return this.isOver ? [...this.reader.events, 'end'] : this.reader.events
  }

  async write(chunks) {
    for (const chunk of chunks) {
      if (this.#socket.destroyed || chunk.length === 0) continue
      this.#socket.write(chunk)
      if (chunks.length > 1) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  finish() {
    this.#socket.end()
  }

  reset() {
    this.#socket.resetAndDestroy()
  }

  destroy() {
    this.#socket.destroy()
  }

  // Calls `look` at each change until the function that comes back is called.
  watch(look) {
    this.#watchers.add(look)
    return () => this.#watchers.delete(look)
  }

  // Waits until the events are as they should be, or the end, or too much time went by.
  async until(isDone, millisMax = EVENTS_MILLIS_MAX) {
    const timeout = new AbortController()
    const late = wait(millisMax, undefined, { signal: timeout.signal }).catch(() => undefined)
    const done = new Promise((resolve) => {
      const look = () => {
        if (this.isOver || isDone(this.events)) resolve()
      }
      this.watch(look)
      look()
    })
    await Promise.race([done, late])
    timeout.abort()
  }

  #changed() {
    for (const look of this.#watchers) look()
  }
}

export class RawServer {
  connections = []
  #server
  #keys = new Set()
  #path
  #onFirst

  // `path` is what clients have to ask for; `onFirst` is given the first connection.
  constructor(path, onFirst) {
    this.#path = path
    this.#onFirst = onFirst
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
  }

  async listen() {
    this.#server.listen(0, HOST)
    await once(this.#server, 'listening')
  }

  get url() {
    return `ws://${this.#host}${this.#path}`
  }

  get #host() {
    return `${HOST}:${this.#server.address().port}`
  }

  // Whether all connections have been ended by their clients, at the latest after a while.
  async areOver(millisMax) {
    const open = this.connections.filter(({ isOver }) => !isOver)
    await Promise.all(open.map((it) => it.until(() => false, millisMax)))
    return this.connections.every(({ isOver }) => isOver)
  }

  async stop() {
    for (const it of this.connections) it.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(socket) {
    const [host, path, keys] = [this.#host, this.#path, this.#keys]
    const connection = new RawConnection(socket, new ClientReader({ host, path, keys }))
    this.connections.push(connection)
    if (this.connections.length === 1) this.#onFirst(connection)
    else new SoundAnswers(connection).begin()
  }
}

// Says what a sound broker says, from the handshake on or, where `isOpen`, behind it.
export class SoundAnswers {
  #connection
  #isOpen
  #seen

  constructor(connection, { isOpen = false } = {}) {
    this.#connection = connection
    this.#isOpen = isOpen
    this.#seen = connection.reader.events.length
  }

  begin() {
    this.#connection.watch(() => this.#look())
    this.#look()
  }

  #look() {
    const { reader } = this.#connection
    if (reader.asked === undefined) return
    if (!this.#isOpen) {
      this.#isOpen = true
      this.#connection.write([Buffer.concat([upgraded()(reader.asked), binary(welcome)])])
    }
    for (; this.#seen < reader.events.length; this.#seen++) {
      const [what, id] = reader.events[this.#seen].split(' ')
      if (what === 'request') this.#connection.write([binary(answer(Number(id)))])
      else if (what === 'close') this.#connection.write([close(Number(id))])
    }
  }
}
