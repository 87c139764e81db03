import { expect, it } from 'vitest'
import { decodeFlight, encodeFlight, readFlights } from '../../../../src/cli/demo/flights.ts'

const flights = readFlights()

it('reads the flights with the airports that they start from', () => {
  expect(flights).toHaveLength(20_000)
  expect(new Set(flights.map((it) => it.key)).size).toBeGreaterThan(200)
  expect(flights.every((it) => /^[A-Z]{3}$/.test(it.key))).toBe(true)
})

it('encodes a flight as JSON with its number, and knows it again', () => {
  const number = 20_000 * 3 + 17
  const flight = flights[17]
  if (flight === undefined) throw new Error('too few flights')
  const data = encodeFlight(number, flight)
  expect(JSON.parse(data.toString())).toMatchObject({
    flight: number,
    distance: expect.any(Number),
  })
  expect(decodeFlight(data, flights)).toBe(number)
})

it('knows what is no flight, or another one', () => {
  const data = encodeFlight(5, flights[6] as (typeof flights)[number])
  expect(decodeFlight(data, flights)).toBe(-1)
  expect(decodeFlight(Buffer.from('x'), flights)).toBe(-1)
  expect(decodeFlight(data.subarray(0, data.length - 1), flights)).toBe(-1)
})
