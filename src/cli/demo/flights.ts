/**
 * The data of the demonstration: flights of the first months of 2001 in the USA, from the U.S.
 * Bureau of Transportation Statistics, as the package vega-datasets ships them.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { CliError } from '../exit-codes.ts'

/** The largest of its files that has the airports; in the order of departure. */
const fileOfPackage = '../data/flights-20k.json'

interface Flight {
  readonly date: string
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

/** A flight as a record: its key, and what follows its number in its data. */
export interface FlightRecord {
  readonly key: string
  readonly rest: Buffer
}

/** Throws a CliError, FILE_UNREADABLE, where the package is not installed. */
export function readFlights(): FlightRecord[] {
  const flights = JSON.parse(readData()) as Flight[]
  return flights.map(({ origin, ...flight }) => ({
    key: origin,
    rest: Buffer.from(`,${JSON.stringify(flight).slice(1)}`),
  }))
}

function readData(): string {
  try {
    const { resolve } = createRequire(import.meta.url)
    return readFileSync(new URL(fileOfPackage, `file://${resolve('vega-datasets')}`), 'utf8')
  } catch (error) {
    throw missing(error)
  }
}

function missing(cause: unknown): CliError {
  return new CliError('FILE_UNREADABLE', 'the flights of vega-datasets are not installed', {
    hint: 'The demonstration runs in a checkout of Millrace: npm ci && npm run demo',
    cause,
  })
}

const start = Buffer.from('{"flight":')
const digitZero = 0x30
const comma = 0x2c

/** The data of the flight that is put as number `number`: JSON that begins with the number. */
export function encodeFlight(number: number, { rest }: FlightRecord): Buffer {
  return Buffer.concat([start, Buffer.from(String(number)), rest])
}

/** The number of a flight, read back from its data; -1 where the data is not that of `records`. */
export function decodeFlight(data: Uint8Array, records: readonly FlightRecord[]): number {
  let number = 0
  let at = start.length
  for (; at < data.length && data[at] !== comma; at += 1) {
    number = number * 10 + (data[at] as number) - digitZero
  }
  const record = records[number % records.length]
  const isWhole = record?.rest.equals(data.subarray(at)) === true
  return isWhole ? number : -1
}
