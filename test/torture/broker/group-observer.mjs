// Looks at the leases and checkpoints of a consumer again and again, and writes down what the broker
// says into a GroupHistory.
import { setTimeout as wait } from 'node:timers/promises'
import { clockMillis } from './group-lines.mjs'
import { indexOf } from './load.mjs'
import { listShards } from './stream-lanes.mjs'
import { GET_CHECKPOINTS, LIST_LEASES, WireClient } from './wire-client.mjs'

const LOOK_MILLIS = 40

export class GroupObserver {
  #rig
  #consumer
  #parents = new Map()
  isStopped = false

  constructor(rig, consumer) {
    this.#rig = rig
    this.#consumer = consumer
  }

  // Ends when it is stopped.
  async run() {
    const client = await WireClient.connect(this.#rig.url)
    try {
      while (!this.isStopped && !this.#rig.isOver) {
        const look = await this.#look(client)
        this.#rig.history.looked(look)
        await wait(Math.max(0, LOOK_MILLIS - (clockMillis() - look.sent)))
      }
    } finally {
      client.close()
    }
  }

  async #look(client) {
    const { stream } = this.#rig
    const sent = clockMillis()
    const [[leases], [checkpoints], shards] = await Promise.all([
      client.ask(LIST_LEASES, stream, this.#consumer),
      client.ask(GET_CHECKPOINTS, stream, this.#consumer),
      listShards(client, stream, null, this.#last()),
    ])
    const answered = clockMillis()
    for (const { index, parents } of shards) this.#parents.set(index, parents)
    const finished = new Set(
      checkpoints.filter(([, , next]) => (next ?? null) === null).map(([id]) => indexOf(id)),
    )
    return { sent, answered, leases: leases.map(describe), available: this.#available(finished) }
  }

  // Shards are numbered as they come.
  #last() {
    return this.#parents.size === 0 ? null : Math.max(...this.#parents.keys())
  }

  #available(finished) {
    const isReady = ([index, parents]) =>
      !finished.has(index) && parents.every((parent) => finished.has(parent))
    return [...this.#parents].filter(isReady).map(([index]) => index)
  }
}

function describe([shardId, worker, counter, millisLeft]) {
  const shard = indexOf(shardId)
  return { shard, worker, counter: BigInt(counter), millisLeft: Number(millisLeft) }
}
