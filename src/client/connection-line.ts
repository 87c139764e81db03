/** A line of subscriptions over one connection, and over those that follow it when it is lost. */

import type { MillraceError } from '../errors.ts'
import type { Operation } from '../wire/operations.ts'
import { unsubscribe } from '../wire/subscription-operations.ts'
import type { Connection } from './connection.ts'
import type {
  PushListener,
  SubscribeAnswer,
  SubscribeRequest,
  SubscriptionLine,
} from './push-exchange.ts'

/** One subscription, from its request on. */
interface Attempt {
  readonly wanted: SubscribeRequest
  readonly listener: PushListener
  isGivenUp: boolean
}

/** Subscribing takes as long as it takes: the broker may be away. */
const patient = { repeatable: false, timeoutMillis: Number.POSITIVE_INFINITY } as const

export class ConnectionLine implements SubscriptionLine {
  readonly #connection: Connection
  readonly #onClose: () => void
  /** What is to be asked for once nothing of what was before can come any more. */
  #next: Attempt | undefined
  /** What was asked for and has not been answered. */
  #asked: Attempt | undefined
  /** Of the subscription that runs. */
  #id: number | undefined
  #isLeaving = false
  #isClosed = false

  constructor(connection: Connection, onClose: () => void) {
    this.#connection = connection
    this.#onClose = onClose
  }

  subscribe(wanted: SubscribeRequest, listener: PushListener): void {
    if (this.#isClosed) return
    this.#next = { wanted, listener, isGivenUp: false }
    this.#proceed()
  }

  giveBack(bytes: number): void {
    if (this.#id !== undefined) this.#connection.giveBack(this.#id, bytes)
  }

  unsubscribe(): void {
    this.#next = undefined
    if (this.#asked !== undefined) this.#asked.isGivenUp = true
    if (this.#id !== undefined) this.#leave(this.#id)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.unsubscribe()
    this.#letGo()
  }

  #proceed(): void {
    const attempt = this.#next
    if (attempt === undefined || this.#asked !== undefined || this.#isLeaving) return
    this.#next = undefined
    this.#asked = attempt
    const { operation, request } = attempt.wanted
    try {
      this.#connection.callAtOnce(operation as Operation, request, patient, {
        answered: (answer) => this.#begin(attempt, answer as SubscribeAnswer),
        failed: (error) => this.#refused(attempt, error as MillraceError),
      })
    } catch (error) {
      this.#refused(attempt, error as MillraceError)
    }
  }

  #begin(attempt: Attempt, answer: SubscribeAnswer): void {
    const { subscriptionId: id } = answer
    const shards = 'shard' in answer ? [answer.shard] : answer.shards
    this.#asked = undefined
    if (attempt.isGivenUp) {
      this.#leave(id)
      return
    }
    const { listener } = attempt
    this.#id = id
    this.#connection.pushes.add(id, shards, {
      ...listener,
      ended: (error, how) => {
        this.#id = undefined
        listener.ended(error, how)
      },
    })
    listener.started(shards)
  }

  #refused(attempt: Attempt, error: MillraceError): void {
    this.#asked = undefined
    if (!attempt.isGivenUp) {
      const isLost = error.code === 'CONNECTION_LOST' && !this.#connection.hasEnded
      attempt.listener.ended(error, isLost ? 'lost' : undefined)
    }
    this.#proceed()
    this.#letGo()
  }

  /** Until the answer something may still come, which must not be taken for what follows. */
  #leave(id: number): void {
    this.#id = undefined
    this.#isLeaving = true
    this.#connection.pushes.remove(id)
    const left = () => {
      this.#isLeaving = false
      this.#proceed()
      this.#letGo()
    }
    // It fails when the subscription, or the connection, has just ended: that will do as well.
    this.#connection.call(unsubscribe, { subscriptionId: id }, patient).then(left, left)
  }

  #letGo(): void {
    if (this.#isClosed && this.#asked === undefined && !this.#isLeaving) this.#onClose()
  }
}
