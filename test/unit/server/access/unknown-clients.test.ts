import { describe, expect, it } from 'vitest'
import { UnknownClients } from '../../../../src/server/access/unknown-clients.ts'

describe('who has not said who it is', () => {
  const make = () =>
    new UnknownClients({
      unauthenticatedConnectionsMax: 4,
      unauthenticatedConnectionsPerAddressMax: 2,
    })

  it('of one address has its share, and keeps nobody else out', () => {
    const unknown = make()
    for (const address of ['2001:db8:1:2::1', '2001:db8:1:2::2']) unknown.came(address)
    expect(unknown.refusal('2001:db8:1:2::3')).toContain(
      '2 connections of your address are open without a token ' +
        '(unauthenticatedConnectionsPerAddressMax)',
    )
    expect(unknown.refusal('2001:db8:1:3::1')).toBe(undefined)
    unknown.left('2001:db8:1:2::1')
    expect(unknown.refusal('2001:db8:1:2::3')).toBe(undefined)
  })

  it('finds a bound of all together', () => {
    const unknown = make()
    for (const last of [1, 1, 2, 3]) unknown.came(`192.0.2.${last}`)
    expect([unknown.count, unknown.refusal('192.0.2.4')]).toEqual([
      4,
      expect.stringContaining('(unauthenticatedConnectionsMax)'),
    ])
    unknown.left('192.0.2.1')
    expect(unknown.refusal('192.0.2.4')).toBe(undefined)
  })
})
