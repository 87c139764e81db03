/**
 * The one configured pair that packs and unpacks control messages. Never msgpackr's own defaults:
 * they would become the format. Records never pass through it in the broker.
 */

import { Packr, Unpackr } from 'msgpackr'
import { type ScanBounds, scanMessage } from './message-scan.ts'

const options = {
  useRecords: false,
  // Sequence numbers do not fit into a double.
  int64AsType: 'bigint',
  // A received frame is only lent: it is gone when the handler of the socket returns.
  copyBuffers: true,
} as const

const packer = new Packr(options)
const unpacker = new Unpackr(options)

/** The values as one MessagePack array, in memory of its own. */
export function packMessage(values: readonly unknown[]): Uint8Array {
  return packer.pack(values)
}

/**
 * The values of a message that is one array within the bounds of PROTOCOL.md; they are copies.
 * Throws a MillraceError, PROTOCOL_VIOLATION, for anything else.
 */
export function unpackMessage(frame: Uint8Array, bounds: ScanBounds = {}): unknown[] {
  scanMessage(frame, bounds)
  // Of a Buffer the library makes Buffers; users are promised a Uint8Array.
  const plain =
    frame.constructor === Uint8Array
      ? frame
      : new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength)
  return unpacker.unpack(plain) as unknown[]
}
