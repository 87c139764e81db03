/** Where the pushes of a connection, or of a program that embeds the broker, go to. */

export interface SubscriptionSink {
  /** Whose share of all credit its subscriptions take from; undefined: from none. */
  readonly sharer: string | undefined
  /**
   * Takes a frame, which is only lent: who keeps it copies it before this returns. Answers false
   * when it waits in this process, as the receiver is slow: no more slices come until
   * `Subscriptions.drained`, while other frames may. Must not throw.
   */
  push(frame: Uint8Array, isSlice: boolean): boolean
  /** Bytes that wait in this process. */
  bufferedBytes(): number
  /** The receiver has left credit unreturned for too long: it is to be cut off. */
  stalled(): void
}
