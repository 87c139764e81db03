/** A subscriber over a RawClient: sorts what comes into slices, pushes and answers. */

import { unpackMessage } from '../../src/wire/codec.ts'
import { SliceCursor } from '../../src/wire/slice-cursor.ts'
import { RawClient } from './raw-client.ts'

const decoder = new TextDecoder()

export class RawSubscriber {
  readonly client: RawClient
  /** The texts of the records that came, and the first number that each shard lacks. */
  readonly texts: string[] = []
  readonly wanted: Map<bigint, bigint> = new Map()
  readonly pushes: unknown[][] = []
  readonly #answers = new Map<number, (values: unknown[]) => void>()
  #requestId = 100
  /** Whether credit goes back at once. */
  givesBack = true
  bytes = 0

  private constructor(client: RawClient) {
    this.client = client
    client.socket.removeAllListeners('message')
    client.socket.on('message', (frame: Buffer) => this.#take(frame))
  }

  static async open(url: string): Promise<RawSubscriber> {
    return new RawSubscriber(await RawClient.open(url))
  }

  ask(opcode: number, ...fields: readonly unknown[]): Promise<unknown[]> {
    this.#requestId += 1
    const id = this.#requestId
    return new Promise((resolve, reject) => {
      this.#answers.set(id, resolve)
      this.client.send([opcode, id, ...fields])
      void this.client.closed.then(({ code, reason }) => reject(new Error(`${code} ${reason}`)))
    })
  }

  /** Subscribes to a stream from the beginning, or where it was. */
  async subscribe(streamName: string, creditBytes = 65_536): Promise<unknown[]> {
    const resume = Array.from(this.wanted)
    const answer = await this.ask(0x29, streamName, null, 'TRIM_HORIZON', null, creditBytes, resume)
    return answer
  }

  /** Goes on where another one was. */
  follow(other: RawSubscriber): void {
    for (const [shard, next] of other.wanted) this.wanted.set(shard, next)
  }

  #take(frame: Buffer): void {
    if (frame[0] === 0x9b && frame[1] === 0xce) {
      this.#takeSlice(frame)
      return
    }
    const values = unpackMessage(frame, { elementsMax: 10_000 })
    const opcode = values[0] as number
    if (opcode >= 0x41 && opcode <= 0x4f) {
      this.pushes.push(values)
      return
    }
    this.#answers.get(values[1] as number)?.(values)
    this.#answers.delete(values[1] as number)
  }

  #takeSlice(frame: Buffer): void {
    this.bytes += frame.length
    const cursor = new SliceCursor(frame, { verify: true })
    while (cursor.next()) {
      const { shard, sequenceNumber } = cursor
      const wanted = this.wanted.get(shard) ?? 1n
      if (sequenceNumber < wanted) continue
      if (sequenceNumber > wanted) throw new Error(`${sequenceNumber} came, not ${wanted}`)
      this.wanted.set(shard, sequenceNumber + 1n)
      this.texts.push(decoder.decode(cursor.data.subarray(0, 20)))
    }
    if (this.givesBack) this.client.send([0x50, 1, frame.length])
  }
}
