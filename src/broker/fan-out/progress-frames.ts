/**
 * Heartbeats as frames. Of subscribers that come back all at once, and of those that have nothing
 * to get, one after the other is told the same: it is packed once.
 */

import { encodePush, heartbeat, type PushOf } from '../../wire/pushes.ts'

type Progress = PushOf<typeof heartbeat>

export class ProgressFrames {
  #progress: Progress | undefined
  #frame: Uint8Array = new Uint8Array()

  /** The bytes are shared: nobody may change them. */
  of(progress: Progress): Uint8Array {
    if (this.#progress === undefined || !isSame(this.#progress, progress)) {
      this.#frame = encodePush(heartbeat, progress)
      this.#progress = progress
    }
    return this.#frame
  }
}

function isSame(left: Progress, right: Progress): boolean {
  if (left.subscriptionId !== right.subscriptionId) return false
  if (left.shards.length !== right.shards.length) return false
  return left.shards.every((it, at) => {
    const other = right.shards[at]
    return (
      it.shardNumber === other?.shardNumber &&
      it.nextSequenceNumber === other.nextSequenceNumber &&
      it.millisBehindLatest === other.millisBehindLatest
    )
  })
}
