/** A line of subscriptions to a broker in the same process. */

import type { Broker } from './broker/broker.ts'
import type { Subscriptions } from './broker/fan-out/subscriptions.ts'
import type {
  PushListener,
  SubscribeAnswer,
  SubscribeRequest,
  SubscriptionLine,
} from './client/push-exchange.ts'
import { PushRouter } from './client/push-router.ts'
import type { MillraceError } from './errors.ts'
import type { Operation } from './wire/operations.ts'

/** One subscription, with the part of the broker that has it alone. */
interface Running {
  readonly subscriptions: Subscriptions
  readonly listener: PushListener
  id: number | undefined
}

export class LocalLine implements SubscriptionLine {
  readonly #broker: Pick<Broker, 'openSubscriptions'>
  readonly #onClose: () => void
  #running: Running | undefined

  constructor(broker: Pick<Broker, 'openSubscriptions'>, onClose: () => void) {
    this.#broker = broker
    this.#onClose = onClose
  }

  subscribe(wanted: SubscribeRequest, listener: PushListener): void {
    const router = new PushRouter()
    const subscriptions = this.#broker.openSubscriptions({
      push: (frame) => {
        // It is only lent.
        router.take(new Uint8Array(frame))
        return true
      },
      sharer: undefined,
      bufferedBytes: () => 0,
      stalled: () => this.#finish(running, undefined, 'lost'),
    })
    const running: Running = { subscriptions, listener, id: undefined }
    this.#running = running
    subscriptions.call(wanted.operation as Operation, wanted.request).then(
      (answer) => this.#begin(running, router, answer as SubscribeAnswer),
      (error) => this.#finish(running, error),
    )
  }

  giveBack(bytes: number): void {
    const { subscriptions, id } = this.#running ?? {}
    if (id !== undefined) subscriptions?.credit(id, bytes)
  }

  unsubscribe(): void {
    this.#running?.subscriptions.close()
    this.#running = undefined
  }

  close(): void {
    this.unsubscribe()
    this.#onClose()
  }

  /** Ends the subscription, and says why. */
  end(error: MillraceError): void {
    if (this.#running !== undefined) this.#finish(this.#running, error)
  }

  #begin(running: Running, router: PushRouter, answer: SubscribeAnswer): void {
    if (this.#running !== running) return
    running.id = answer.subscriptionId
    const shards = 'shard' in answer ? [answer.shard] : answer.shards
    const { listener } = running
    router.add(answer.subscriptionId, shards, {
      ...listener,
      ended: (error) => this.#finish(running, error),
    })
    listener.started(shards)
  }

  #finish(running: Running, error: MillraceError | undefined, how?: 'lost'): void {
    if (this.#running !== running) return
    this.unsubscribe()
    running.listener.ended(error, how)
  }
}
