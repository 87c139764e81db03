/**
 * Looks at the headers of a control message before anything is decoded or allocated: depth, sizes,
 * types. A few bytes can claim a container of four billion elements; nobody may act on that claim.
 */

import { MillraceError } from '../errors.ts'
import {
  messageDepthMax,
  messageElementsFactor,
  messageElementsMax,
  messageStringBytesMax,
} from '../limits.ts'

export interface ScanBounds {
  /** Of one array; of all together 16 times as many. What clients may send, unless it is given. */
  readonly elementsMax?: number
}

interface Shape {
  readonly kind: 'number' | 'bin' | 'text' | 'array'
  /** Bytes of the number, or of the length. */
  readonly width: 1 | 2 | 4 | 8
}

/** The types that are more than one byte; maps, floats and extensions are not among them. */
const shapes: ReadonlyMap<number, Shape> = new Map([
  [0xc4, { kind: 'bin', width: 1 }],
  [0xc5, { kind: 'bin', width: 2 }],
  [0xc6, { kind: 'bin', width: 4 }],
  [0xcc, { kind: 'number', width: 1 }],
  [0xcd, { kind: 'number', width: 2 }],
  [0xce, { kind: 'number', width: 4 }],
  [0xcf, { kind: 'number', width: 8 }],
  [0xd0, { kind: 'number', width: 1 }],
  [0xd1, { kind: 'number', width: 2 }],
  [0xd2, { kind: 'number', width: 4 }],
  [0xd3, { kind: 'number', width: 8 }],
  [0xd9, { kind: 'text', width: 1 }],
  [0xda, { kind: 'text', width: 2 }],
  [0xdb, { kind: 'text', width: 4 }],
  [0xdc, { kind: 'array', width: 2 }],
  [0xdd, { kind: 'array', width: 4 }],
])

function refuse(at: number, text: string): never {
  throw new MillraceError('PROTOCOL_VIOLATION', `byte ${at}: ${text}`)
}

class MessageScanner {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #elementsMax: number
  #elementsLeft: number
  #at = 0

  constructor(bytes: Uint8Array, elementsMax: number) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#elementsMax = elementsMax
    this.#elementsLeft = messageElementsFactor * elementsMax
  }

  scan(): void {
    const first = this.#bytes[0]
    const isArray = first !== undefined && ((first & 0xf0) === 0x90 || first === 0xdc)
    if (!isArray) refuse(0, 'wanted an array')
    this.#value(1)
    if (this.#at !== this.#bytes.length) refuse(this.#at, 'bytes follow the message')
  }

  #value(depth: number): void {
    const at = this.#at
    const type = this.#bytes[at]
    if (type === undefined) refuse(at, 'the message ends early')
    this.#at += 1
    if (type <= 0x7f || type >= 0xe0 || type === 0xc0 || type === 0xc2 || type === 0xc3) return
    if ((type & 0xf0) === 0x90) {
      this.#array(type & 0x0f, depth, at)
    } else if ((type & 0xe0) === 0xa0) {
      this.#text(type & 0x1f, at)
    } else {
      this.#wideValue(type, depth, at)
    }
  }

  #wideValue(type: number, depth: number, at: number): void {
    const shape = shapes.get(type)
    if (shape === undefined) {
      refuse(at, `type 0x${type.toString(16)} (a map, a float or an extension) has no place here`)
    }
    if (shape.kind === 'number') {
      this.#skip(shape.width)
      return
    }
    const length = this.#length(shape.width)
    if (shape.kind === 'array') this.#array(length, depth, at)
    else if (shape.kind === 'text') this.#text(length, at)
    else this.#skip(length)
  }

  #array(count: number, depth: number, at: number): void {
    if (depth > messageDepthMax) refuse(at, `deeper than ${messageDepthMax} levels`)
    if (count > this.#elementsMax) {
      refuse(at, `an array of ${count} elements, at most ${this.#elementsMax}`)
    }
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) refuse(at, 'more elements than all arrays may have together')
    if (count > this.#bytes.length - this.#at) refuse(at, `${count} elements do not fit`)
    for (let i = 0; i < count; i += 1) this.#value(depth + 1)
  }

  #text(bytes: number, at: number): void {
    if (bytes > messageStringBytesMax) {
      refuse(at, `a string of ${bytes} bytes, at most ${messageStringBytesMax}`)
    }
    const start = this.#at
    this.#skip(bytes)
    if (!isText(this.#bytes, start, this.#at)) {
      refuse(at, 'a string that is not valid UTF-8, or begins with a byte order mark')
    }
  }

  #length(width: Shape['width']): number {
    const at = this.#at
    if (at + width > this.#bytes.length) refuse(at, 'the message ends early')
    this.#at += width
    if (width === 1) return this.#view.getUint8(at)
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at)
  }

  #skip(bytes: number): void {
    if (bytes > this.#bytes.length - this.#at) refuse(this.#at, 'the message ends early')
    this.#at += bytes
  }
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const byteOrderMark = '\ufeff'

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end && (bytes[at] as number) < 0x80) at += 1
  if (at === end) return true
  try {
    const rest = strictDecoder.decode(bytes.subarray(at, end))
    // Decoders drop it, some of them in long strings alone: it would be lost in silence.
    return at > start || !rest.startsWith(byteOrderMark)
  } catch {
    return false
  }
}

/** Throws a MillraceError, PROTOCOL_VIOLATION, unless the frame is one array within the bounds. */
export function scanMessage(
  frame: Uint8Array,
  { elementsMax = messageElementsMax }: ScanBounds = {},
): void {
  new MessageScanner(frame, elementsMax).scan()
}
