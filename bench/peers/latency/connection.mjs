// A connection to a peer whose answers are taken apart as they come.
import { once } from 'node:events'
import { connect } from 'node:net'

export class Connection {
  #socket
  #bytes = Buffer.alloc(0)

  /** `take(bytes)` answers how many of the bytes it is done with. */
  static async open(port, take) {
    const connection = new Connection()
    const socket = connect(port, '127.0.0.1')
    connection.#socket = socket
    socket.setNoDelay(true)
    await once(socket, 'connect')
    socket.on('data', (chunk) => connection.#received(chunk, take))
    return connection
  }

  write(bytes) {
    this.#socket.write(bytes)
  }

  close() {
    this.#socket.destroy()
  }

  #received(chunk, take) {
    const bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    this.#bytes = bytes.subarray(take(bytes))
  }
}

/** Something that somebody waits for. */
export function promised() {
  let settle
  const promise = new Promise((resolve) => {
    settle = resolve
  })
  return { promise, settle }
}
