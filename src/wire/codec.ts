/**
 * The one configured pair that packs and unpacks control messages. Never msgpackr's own defaults:
 * they would become the format. Records never pass through it in the broker.
 */

// Not `msgpackr` itself: in Node it loads a native addon where there is one.
import { Packr } from 'msgpackr/pack'
import { Unpackr } from 'msgpackr/unpack'
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
  return view(packer.pack(values))
}

/**
 * The values of a message that is one array within the bounds of PROTOCOL.md; they are copies.
 * Throws a MillraceError, PROTOCOL_VIOLATION, for anything else.
 */
export function unpackMessage(frame: Uint8Array, bounds: ScanBounds = {}): unknown[] {
  scanMessage(frame, bounds)
  return unpacker.unpack(view(frame)) as unknown[]
}

/**
 * A Uint8Array of the same memory. In Node the library makes Buffers, also of the values in one,
 * and it leaves a property behind on what it is given.
 */
function view(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
