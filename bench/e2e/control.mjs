// A connection for the requests around a load: streams that are made and deleted, iterators at the
// starts of their shards.
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import WebSocket from 'ws'
import { loadPart } from '../micro/package.mjs'

const wire = await loadPart('wire/frame.js')
const operations = await loadPart('wire/operations.js')
const monitoring = await loadPart('wire/monitoring-operations.js')
const encryption = await loadPart('wire/encryption-operations.js')

const triesMax = 1000
const triesPauseMillis = 10

export class Control {
  #socket
  #requestId = 0
  #waiting = new Map()

  static async connect(port) {
    const control = new Control()
    control.#socket = new WebSocket(`ws://127.0.0.1:${port}`, 'millrace.v1')
    control.#socket.on('message', (bytes) => control.#take(bytes))
    await once(control.#socket, 'open')
    return control
  }

  #take(bytes) {
    const frame = wire.decodeBrokerFrame(bytes)
    if (frame.kind === 'welcome') return
    const { operation, resolve, reject } = this.#waiting.get(frame.requestId)
    this.#waiting.delete(frame.requestId)
    if (frame.kind === 'error') reject(frame.error)
    else resolve(wire.parseAnswer(operation, frame.values))
  }

  #call(name, request) {
    const operation = operations[name] ?? monitoring[name] ?? encryption[name]
    this.#requestId += 1
    const requestId = this.#requestId
    return new Promise((resolve, reject) => {
      this.#waiting.set(requestId, { operation, resolve, reject })
      this.#socket.send(wire.encodeRequest(operation, requestId, request))
    })
  }

  /** Creates a stream; answers when it takes records. */
  async createStream(streamName, shardCount, streamMode = 'ON_DEMAND') {
    await this.#call('createStream', { streamName, shardCount, streamMode })
    await this.#untilActive(streamName)
  }

  /** Has the broker tell every metric of each shard. */
  async monitor(streamName) {
    const request = { streamName, shardLevelMetrics: ['ALL'] }
    await this.#call('enableEnhancedMonitoring', request)
    await this.#untilActive(streamName)
  }

  /** Has its records encrypted from now on. */
  async encrypt(streamName, keyId) {
    const request = { streamName, encryptionType: 'KMS', keyId }
    await this.#call('startStreamEncryption', request)
    await this.#untilActive(streamName)
  }

  #untilActive(streamName) {
    return this.#until(async () => {
      const { streamStatus } = await this.#call('describeStreamSummary', { streamName })
      return streamStatus === 'ACTIVE'
    })
  }

  /** Deletes a stream; answers when its segments can be written again. */
  async deleteStream(streamName) {
    await this.#call('deleteStream', { streamName })
    await this.#until(async () => {
      const { streamSummaries } = await this.#call('listStreams', {})
      return streamSummaries.every((it) => it.streamName !== streamName)
    })
  }

  async #until(isSo) {
    for (let tries = 0; tries < triesMax; tries += 1) {
      if (await isSo()) return
      await setTimeout(triesPauseMillis)
    }
    throw new Error('a stream did not change its state in time')
  }

  /** Iterators at the oldest record of each shard. */
  async startsOf(streamName) {
    const { shards } = await this.#call('describeStream', { streamName })
    const answers = await Promise.all(
      shards.map(({ shardId }) =>
        this.#call('getShardIterator', {
          streamName,
          shardId,
          shardIteratorType: 'TRIM_HORIZON',
        }),
      ),
    )
    return answers.map((it) => it.shardIterator)
  }

  close = () => this.#socket.close()
}
