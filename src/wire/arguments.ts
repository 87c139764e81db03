/** Misuse is refused here, by name, before a call crosses to native. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'

/** What a value is, for messages. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  return value.constructor?.name ?? 'an object'
}

/**
 * Refuses what is not plain bytes: resizable memory could shrink while a view of it is held, shared
 * memory could change between the check of a batch and its copy.
 */
export function checkBytes(name: string, value: unknown): asserts value is Uint8Array<ArrayBuffer> {
  if (!(value instanceof Uint8Array)) {
    throw new InvalidTypeError(`${name}: wanted a Uint8Array, got ${describe(value)}`)
  }
  const buffer = value.buffer
  if (!(buffer instanceof ArrayBuffer)) {
    throw new InvalidTypeError(`${name}: lies in a SharedArrayBuffer; copy it first`)
  }
  if ((buffer as { resizable?: boolean }).resizable === true) {
    throw new InvalidTypeError(`${name}: lies in a resizable ArrayBuffer; copy it first`)
  }
  checkAttached(name, value)
}

/** Refuses a view of memory that has been transferred away: it would pass for empty. */
export function checkAttached(name: string, { buffer }: Uint8Array): void {
  if (buffer.byteLength === 0 && isDetached(buffer)) {
    throw new InvalidTypeError(
      `${name}: its memory is detached; copy it before it is transferred away`,
    )
  }
}

/** Node.js 20 has no `detached`. */
function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    buffer.slice(0)
    return false
  } catch {
    return true
  }
}

/** Refuses what is not an integer of [lowest, highest]. */
export function checkInteger(
  name: string,
  value: unknown,
  lowest: number,
  highest: number,
): asserts value is number {
  if (typeof value !== 'number') {
    throw new InvalidTypeError(`${name}: wanted a number, got ${describe(value)}`)
  }
  if (!Number.isInteger(value) || value < lowest || value > highest) {
    throw new InvalidValueError(
      `${name} is ${value}, it must be an integer of ${lowest} to ${highest}`,
    )
  }
}

/** Refuses what cannot be called. */
export function checkFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new InvalidTypeError(`${name}: wanted a function, got ${describe(value)}`)
}

export const unsigned32Max: number = 2 ** 32 - 1
