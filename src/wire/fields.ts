/**
 * The types of the fields of messages. Each says how it is written, checks what was received, and
 * has the name by which PROTOCOL.md calls it. Pure; nothing here knows of frames or sockets.
 */

import { MillraceError } from '../errors.ts'
import { messageStringBytesMax } from '../limits.ts'

/**
 * What becomes of elements behind the last known field. A broker refuses them: what it does not
 * know it must not ignore. A client ignores them: a newer broker may have added them.
 */
export type Extras = 'refused' | 'ignored'

/** What a field holds, in three forms: the user's value, the value to be packed, and in words. */
export interface Field<Value> {
  /** As PROTOCOL.md names it: `str`, `uint`, `u64`, `bin`, `nil or str`, ... */
  readonly form: string
  /** As PROTOCOL.md says it: `1 to 10,000`, `1 to 128 characters`, ... */
  readonly bounds: string
  /** The value as it is packed. One of another type comes out as it is, for `parse` to refuse. */
  pack(value: Value): unknown
  /**
   * Checks a value as it was unpacked. `path` names it in errors, as `streamName` or `tags[2].key`.
   * Throws a MillraceError: PROTOCOL_VIOLATION for another type, INVALID_ARGUMENT for a bound.
   */
  parse(value: unknown, path: string, extras?: Extras): Value
}

/** The value that a field holds. */
export type ValueOf<Type> = Type extends Field<infer Value> ? Value : never

/** Fields by name, in the order in which they are sent. */
export type Fields = Readonly<Record<string, Field<unknown>>>

type OptionalKeys<Shape extends Fields> = {
  [Key in keyof Shape]: undefined extends ValueOf<Shape[Key]> ? Key : never
}[keyof Shape]

/** An object with a property for each field; those that can be missing are optional. */
export type Struct<Shape extends Fields> = {
  readonly [Key in Exclude<keyof Shape, OptionalKeys<Shape>>]: ValueOf<Shape[Key]>
} & {
  readonly [Key in OptionalKeys<Shape>]?: ValueOf<Shape[Key]>
}

function found(value: unknown): string {
  if (value === null || value === undefined) return 'nil'
  if (value instanceof Uint8Array) return `bin of ${value.length} bytes`
  if (Array.isArray(value)) return `array of ${value.length}`
  return typeof value === 'object' ? 'map or extension' : typeof value
}

function wrongType(path: string, wanted: string, value: unknown): never {
  throw new MillraceError('PROTOCOL_VIOLATION', `${path}: wanted ${wanted}, got ${found(value)}`)
}

function outOfBounds(path: string, text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', `${path} ${text}`)
}

/** A number as people read it: `10,000`. */
function readable(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',')
}

function range(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return min === 0 ? '' : `at least ${readable(min)}`
  return min === max ? readable(min) : `${readable(min)} to ${readable(max)}`
}

const unsigned32Max = 2 ** 32 - 1
const unsigned64Max = 2n ** 64n - 1n

/** A count or a number below 2^53, from `min` to `max`. */
export function uint(min = 0, max: number = Number.MAX_SAFE_INTEGER): Field<number> {
  return {
    form: 'uint',
    bounds: range(min, max),
    // As numbers, those above 2^32-1 would be packed as floats.
    pack: (value) => (Number.isSafeInteger(value) && value > unsigned32Max ? BigInt(value) : value),
    parse(value, path) {
      const number = typeof value === 'bigint' ? Number(value) : value
      if (typeof number !== 'number' || !Number.isInteger(number)) wrongType(path, 'uint', value)
      if (number < min || number > max) {
        outOfBounds(path, `is ${String(value)}, it must be ${min} to ${max}`)
      }
      return number
    },
  }
}

/** Of 64 bits, unsigned: always a bigint for users; in a frame any integer that is not negative. */
export function u64(): Field<bigint> {
  return {
    form: 'u64',
    bounds: '',
    pack: (value) => value,
    parse(value, path) {
      if (typeof value === 'number' && Number.isSafeInteger(value)) return check(BigInt(value))
      return typeof value === 'bigint' ? check(value) : wrongType(path, 'u64', value)

      function check(number: bigint): bigint {
        if (number >= 0n && number <= unsigned64Max) return number
        return outOfBounds(path, `is ${number}, it must be 0 to 2^64-1`)
      }
    },
  }
}

const hashKeyBytes = 16
const halfBits = 64n
const hashKeyMax = 2n ** 128n - 1n

/** A hash key, 0 to 2^128-1: 16 bytes, big-endian. */
export const hashKey: Field<bigint> = {
  form: 'bin of 16',
  bounds: '',
  pack(value) {
    if (typeof value !== 'bigint') return value
    if (value < 0n || value > hashKeyMax) {
      outOfBounds('hash key', `is ${value}, it must be 0 to 2^128-1`)
    }
    const view = new DataView(new ArrayBuffer(hashKeyBytes))
    view.setBigUint64(0, value >> halfBits)
    view.setBigUint64(8, BigInt.asUintN(64, value))
    return new Uint8Array(view.buffer)
  },
  parse(value, path) {
    if (!(value instanceof Uint8Array) || value.length !== hashKeyBytes) {
      wrongType(path, 'bin of 16', value)
    }
    const view = new DataView(value.buffer, value.byteOffset, hashKeyBytes)
    return (view.getBigUint64(0) << halfBits) | view.getBigUint64(8)
  },
}

export const bool: Field<boolean> = {
  form: 'bool',
  bounds: '',
  pack: (value) => value,
  parse: (value, path) => (typeof value === 'boolean' ? value : wrongType(path, 'bool', value)),
}

export interface TextBounds {
  /** Characters: Unicode code points. */
  readonly min?: number
  readonly max: number
  readonly pattern?: RegExp
  /** What the pattern allows, in words. */
  readonly patternText?: string
}

// The first has no UTF-8; the second is taken for no character by many decoders, and dropped.
const unsendable = /\p{Surrogate}|^\ufeff/u

const utf8BytesMax = 4
const charactersThatFit = messageStringBytesMax / utf8BytesMax
const encoder = new TextEncoder()

/** What is refused as a frame where it arrives must be refused as a value where it is sent. */
function checkTextBytes(value: string, path: string): void {
  const { length } = encoder.encode(value)
  if (length > messageStringBytesMax) {
    outOfBounds(path, `has ${length} bytes of UTF-8, at most ${messageStringBytesMax}`)
  }
}

/** A string of `min` to `max` characters. */
export function text({ min = 1, max, pattern, patternText }: TextBounds): Field<string> {
  return {
    form: 'str',
    bounds: `${range(min, max)} characters${patternText === undefined ? '' : `: ${patternText}`}`,
    pack: (value) => value,
    parse(value, path) {
      if (typeof value !== 'string') wrongType(path, 'str', value)
      // As many UTF-16 units at least as characters: most strings need no counting.
      const characters = value.length <= max ? value.length : Array.from(value).length
      if (characters < min || characters > max) {
        outOfBounds(path, `has ${characters} characters, it must have ${min} to ${max}`)
      }
      if (value.length > charactersThatFit) checkTextBytes(value, path)
      if (unsendable.test(value)) {
        outOfBounds(path, 'has half of a surrogate pair, or begins with a byte order mark')
      }
      if (pattern !== undefined && !pattern.test(value)) {
        outOfBounds(path, `is ${JSON.stringify(value)}, it may have ${patternText ?? pattern}`)
      }
      return value
    },
  }
}

/** One of a few words. */
export function word<const Words extends readonly string[]>(words: Words): Field<Words[number]> {
  return {
    form: words.map((it) => `"${it}"`).join(' or '),
    bounds: '',
    pack: (value) => value,
    parse(value, path) {
      if (typeof value !== 'string') wrongType(path, 'str', value)
      if (words.includes(value)) return value
      return outOfBounds(path, `is ${JSON.stringify(value)}, it must be one of ${words.join(', ')}`)
    },
  }
}

/** Bytes. */
export const bytes: Field<Uint8Array> = {
  form: 'bin',
  bounds: '',
  pack: (value) => value,
  parse: (value, path) => (value instanceof Uint8Array ? value : wrongType(path, 'bin', value)),
}

/** A field that can be missing: nil in a frame, undefined for users. */
export function optional<Value>(field: Field<Value>): Field<Value | undefined> {
  return {
    form: `nil or ${field.form}`,
    bounds: field.bounds,
    pack: (value) => (value === undefined ? null : field.pack(value)),
    parse: (value, path, extras) =>
      value === null || value === undefined ? undefined : field.parse(value, path, extras),
  }
}

function boundsOfList(count: string, max: number, ofEach: string): string {
  const elements = `${count} element${max === 1 ? '' : 's'}`
  return ofEach === '' ? elements : `${elements} of ${ofEach}`
}

/** An array of `min` to `max` elements of one type. */
export function list<Value>(
  element: Field<Value>,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): Field<readonly Value[]> {
  return {
    form: `array of ${element.form.includes(' or ') ? `(${element.form})` : element.form}`,
    bounds: boundsOfList(range(min, max), max, element.bounds),
    pack: (values) => (Array.isArray(values) ? values.map((it) => element.pack(it)) : values),
    parse(value, path, extras) {
      if (!Array.isArray(value)) wrongType(path, 'array', value)
      if (value.length < min || value.length > max) {
        outOfBounds(path, `has ${value.length} elements, it must have ${min} to ${max}`)
      }
      return value.map((it, index) => element.parse(it, `${path}[${index}]`, extras))
    },
  }
}

/** Named fields as an array of their values. Missing ones at the end count as nil. */
export function struct<const Shape extends Fields>(
  name: string,
  fields: Shape,
): Field<Struct<Shape>> & { readonly fields: Shape } {
  return {
    form: name,
    bounds: '',
    fields,
    pack: (value) =>
      typeof value === 'object' && value !== null ? packFields(fields, value) : value,
    parse(value, path, extras = 'refused') {
      if (!Array.isArray(value)) wrongType(path, name, value)
      return parseFields(fields, value, { start: 0, path, extras })
    },
  }
}

const entriesByShape = new WeakMap<Fields, readonly [string, Field<unknown>][]>()

function entriesOf(fields: Fields): readonly [string, Field<unknown>][] {
  let entries = entriesByShape.get(fields)
  if (entries === undefined) {
    entries = Object.entries(fields)
    entriesByShape.set(fields, entries)
  }
  return entries
}

/** The values of fields, in their order, as they are packed. */
export function packFields<Shape extends Fields>(fields: Shape, value: Struct<Shape>): unknown[] {
  const object = value as Readonly<Record<string, unknown>>
  return entriesOf(fields).map(([name, field]) => field.pack(object[name]))
}

/**
 * Fields from the elements of an array, from `start` on. Throws a MillraceError, as Field.parse.
 */
export function parseFields<Shape extends Fields>(
  fields: Shape,
  values: readonly unknown[],
  place: { readonly start: number; readonly path: string; readonly extras: Extras },
): Struct<Shape> {
  const { start, path, extras } = place
  const entries = entriesOf(fields)
  if (extras === 'refused' && values.length - start > entries.length) {
    throw new MillraceError(
      'PROTOCOL_VIOLATION',
      `${path === '' ? 'the message' : path} has ${values.length - start} fields, ` +
        `wanted at most ${entries.length}`,
    )
  }
  const parsed: Record<string, unknown> = {}
  entries.forEach(([name, field], index) => {
    const value = field.parse(values[start + index], path === '' ? name : `${path}.${name}`, extras)
    if (value !== undefined) parsed[name] = value
  })
  return parsed as Struct<Shape>
}
