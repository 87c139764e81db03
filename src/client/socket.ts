/**
 * The little that the client needs of a WebSocket. node.ts and browser.ts each have one; tests have
 * their own.
 */

/** Bytes that wait in the socket: with more than this nothing is sent until they have gone. */
export const bufferedBytesMax: number = 1024 * 1024

/** The largest message that a client takes, in bytes: a read of 10 MiB and what is around it. */
export const answerBytesMax: number = 32 * 1024 * 1024

export interface Socket {
  /**
   * Sends a binary message; without effect once the socket is closed. The bytes are not copied:
   * they stay as they are until the message has been answered, or the socket is closed.
   */
  send(frame: Uint8Array): void
  /** Bytes that were sent and have not yet been handed to the network. */
  readonly bufferedBytes: number
  /** Says goodbye; `closed` follows, within a second even where the other side says nothing. */
  close(code: number, reason: string): void
  /** Lets go at once; `closed` follows with 1006. */
  terminate(): void
}

/** What a socket tells: nothing before the socket is returned, and nothing after `closed`. */
export interface SocketEvents {
  message(frame: Uint8Array): void
  /** A text message, of which the protocol has none. */
  textMessage(): void
  /** Fewer than `bufferedBytesMax` wait again, after there were more. */
  drained(): void
  /** `code` is 1006 where there was no goodbye; `reason` then says what happened. */
  closed(code: number, reason: string): void
}

/** `token`: what the broker is shown before there is a connection. */
export type OpenSocket = (url: string, events: SocketEvents, token?: string) => Socket
