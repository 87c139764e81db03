import { expect, it } from 'vitest'
import { Welcomes } from '../../../src/server/welcomes.ts'
import { unpackMessage } from '../../../src/wire/codec.ts'
import { encodeWelcome } from '../../../src/wire/frame.ts'

const fields = {
  protocolVersion: 1,
  brokerVersion: '1.2.3',
  frameBytesMax: 1000,
  requestsInFlightMax: 10,
  authenticated: true,
  expiresInMillis: undefined,
  subscriptionsMax: 5,
  connectionCreditBytesMax: 100,
}

it('a welcome is made once for all who get the same, and anew for another', () => {
  const welcomes = new Welcomes()
  const first = welcomes.of({ ...fields })
  expect(first).toEqual(encodeWelcome(fields))
  expect(welcomes.of({ ...fields })).toBe(first)
  const changes = [{ frameBytesMax: 9 }, { authenticated: false }, { expiresInMillis: 7 }]
  for (const change of changes) {
    const other = welcomes.of({ ...fields, ...change })
    expect(unpackMessage(other)).toEqual(unpackMessage(encodeWelcome({ ...fields, ...change })))
    expect(other).not.toEqual(first)
  }
  expect(welcomes.of(fields)).toEqual(first)
})
