import { describe, expect, it } from 'vitest'
import { addressBlock } from '../../../src/server/address-block.ts'
import { makeConnections } from './fakes.ts'

describe('the block of an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['0000:0000:0000:0000:0000:ffff:c000:0201', '192.0.2.1'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0000:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
    ['2001:db8:a:b:c:d:e:f', '2001:db8:a:b::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['', ''],
    ['no address', 'no address'],
  ])('%s is that of %s', (address, block) => {
    expect(addressBlock(address)).toBe(block)
  })
})

it('connections of a network of IPv6 are those of one address', () => {
  const { connections, open } = makeConnections()
  open('2001:db8::1')
  const second = open('2001:0db8::2')
  expect(connections.refusal('2001:db8:0:0:9::3')).toContain('connectionsPerAddressMax')
  expect(connections.refusal('2001:db8:0:1::3')).toBe(undefined)
  second.connection.closed(1000)
  expect(connections.refusal('2001:db8:0:0:9::3')).toBe(undefined)
})
