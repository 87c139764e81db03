/** Random values of the fields of messages, from what the fields say of themselves. */

import fc, { type Arbitrary } from 'fast-check'
import { messageStringBytesMax } from '../../src/limits.ts'
import type { Field, Fields } from '../../src/wire/fields.ts'
import * as structures from '../../src/wire/structures.ts'

const structureByName = new Map<string, Fields>()
for (const it of Object.values(structures)) {
  if (typeof it === 'object' && 'fields' in it) structureByName.set(it.form, it.fields)
}

const unsigned64Max = 2n ** 64n - 1n
const hashKeyMax = 2n ** 128n - 1n

interface Bounds {
  readonly min: number
  readonly max: number
  /** What follows the range and its unit. */
  readonly rest: string
}

function readBounds(text: string): Bounds {
  const found = /^(at least )?([\d,]+)(?: to ([\d,]+))?(?: (?:characters?|elements?))?/.exec(text)
  if (found === null) return { min: 0, max: Number.MAX_SAFE_INTEGER, rest: '' }
  const number = (it: string | undefined) => Number((it ?? '').replaceAll(',', ''))
  const min = number(found[2])
  const max = found[1] === undefined ? number(found[3] ?? found[2]) : Number.MAX_SAFE_INTEGER
  return { min, max, rest: text.slice(found[0].length).replace(/^(: | of )/, '') }
}

function uint({ min, max }: Bounds): Arbitrary<number> {
  const edges = [min, max, 127, 128, 2 ** 32 - 1, 2 ** 32].filter((it) => it >= min && it <= max)
  return fc.oneof(
    fc.maxSafeInteger().map((it) => clamp(Math.abs(it), min, max)),
    edge(edges),
  )
}

function clamp(value: number, min: number, max: number): number {
  return max - min >= Number.MAX_SAFE_INTEGER ? value : min + (value % (max - min + 1))
}

const edge = <Value>(values: readonly Value[]): Arbitrary<Value> => fc.constantFrom(...values)

/** Any character; ASCII half of the time. */
const character = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }).map((it) => String.fromCodePoint(it)),
  fc
    .integer({ min: 0x80, max: 0x10ffff })
    .map((it) => (it >= 0xd800 && it <= 0xdfff ? 'x' : String.fromCodePoint(it))),
)

/** Not more than what is told at once, so that a run is quick; the edges are there all the same. */
const longest = 40

function text({ min, max, rest }: Bounds): Arbitrary<string> {
  const unit = rest === '' ? character : edge([...'aZ09_.-'])
  const some = fc.array(unit, { minLength: min, maxLength: Math.min(max, longest) })
  const all = unit.map((it) => Array.from({ length: max }, () => it))
  const odd = edge([['__proto__'], ['constructor'], ['é'], ['😀']])
  const parts = rest === '' ? [all, odd] : [all]
  return fc
    .oneof({ weight: 8, arbitrary: some }, ...parts)
    .map((it) => it.join('').replace(/^\ufeff/, 'x'))
    .filter((it) => Array.from(it).length >= min && Buffer.byteLength(it) <= messageStringBytesMax)
}

function bytes(length?: number): Arbitrary<Uint8Array> {
  return fc.uint8Array(
    length === undefined ? { maxLength: 300 } : { minLength: length, maxLength: length },
  )
}

function arbitraryOf(form: string, bounds: string): Arbitrary<unknown> {
  if (form.startsWith('nil or ')) {
    return fc.option(arbitraryOf(form.slice('nil or '.length), bounds), { nil: undefined })
  }
  if (form.startsWith('"')) return edge(Array.from(form.matchAll(/"([^"]*)"/g), (it) => it[1]))
  if (form.startsWith('array of ')) {
    const { min, max, rest } = readBounds(bounds)
    const element = arbitraryOf(form.slice('array of '.length).replace(/^\((.*)\)$/, '$1'), rest)
    return fc.array(element, { minLength: min, maxLength: Math.min(max, 6) })
  }
  const structure = structureByName.get(form)
  if (structure !== undefined) return arbitraryFields(structure)
  const simple = new Map<string, () => Arbitrary<unknown>>([
    ['uint', () => uint(readBounds(bounds))],
    [
      'u64',
      () => fc.oneof(fc.bigInt(0n, unsigned64Max), edge([0n, 2n ** 53n + 1n, unsigned64Max])),
    ],
    ['bin of 16', () => fc.oneof(fc.bigInt(0n, hashKeyMax), edge([0n, hashKeyMax]))],
    ['bool', () => fc.boolean()],
    ['str', () => text(readBounds(bounds))],
    ['bin', () => bytes()],
  ])
  const make = simple.get(form)
  if (make === undefined) throw new Error(`no values for ${form}`)
  return make()
}

export function arbitraryField(field: Field<unknown>): Arbitrary<unknown> {
  return arbitraryOf(field.form, field.bounds)
}

/** An object with the fields; those that are missing are left out. */
export function arbitraryFields(fields: Fields): Arbitrary<Record<string, unknown>> {
  const entries = Object.entries(fields).map(([name, it]) => [name, arbitraryField(it)] as const)
  return fc
    .record(Object.fromEntries(entries))
    .map((value) => Object.fromEntries(Object.entries(value).filter(([, it]) => it !== undefined)))
}
