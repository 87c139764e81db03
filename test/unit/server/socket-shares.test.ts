import { expect, it } from 'vitest'
import { socketsOfAddress } from '../../../src/server/descriptors.ts'
import { SocketShares } from '../../../src/server/socket-shares.ts'

function makeShares(socketsMax = 1000, socketsPerAddressMax = 20) {
  const clock = { now: 0 }
  const shares = new SocketShares({ socketsMax, socketsPerAddressMax }, () => clock.now)
  /** How many of `count` sockets from an address may stay; the others are closed. */
  const come = (address: string, count: number) => {
    const stay = Array.from({ length: count }, () => shares.came(address)).filter((it) => it).length
    for (let closed = stay; closed < count; closed += 1) shares.left()
    return stay
  }
  return { clock, shares, come }
}

it('a stranger who opens sockets and says nothing gets a share, and others the rest', () => {
  const { come } = makeShares()
  expect(come('192.0.2.1', 5000)).toBe(20)
  expect(come('2001:db8::1', 12)).toBe(12)
  expect(come('2001:db8::2', 12)).toBe(8)
  expect(come('192.0.2.2', 20)).toBe(20)
})

it('many strangers leave a few sockets for the probes of this machine', () => {
  const { come } = makeShares()
  for (let index = 0; index < 100; index += 1) come(`198.51.100.${index}`, 20)
  expect(come('192.0.2.1', 1)).toBe(0)
  expect(come('127.0.0.1', 100)).toBe(16)
})

it('loopback has no share of its own, but the bound of all', () => {
  const { come } = makeShares()
  expect(come('127.0.0.1', 2000)).toBe(1000)
})

it('a socket that has said nothing counts until it has ended by itself', () => {
  const { clock, shares, come } = makeShares()
  expect(come('192.0.2.1', 20)).toBe(20)
  clock.now = 14_999
  expect(come('192.0.2.1', 1)).toBe(0)
  clock.now = 29_999
  expect(come('192.0.2.1', 1)).toBe(0)
  for (let index = 0; index < 20; index += 1) shares.left()
  clock.now = 45_000
  expect(come('192.0.2.1', 30)).toBe(20)
})

it('one that has said what it wants counts as long as it is held', () => {
  const { clock, shares, come } = makeShares()
  for (let index = 0; index < 20; index += 1) {
    expect(come('192.0.2.1', 1)).toBe(1)
    shares.spoke('192.0.2.1')
    shares.held('192.0.2.1')
  }
  clock.now = 1e6
  expect(come('192.0.2.1', 1)).toBe(0)
  shares.released('192.0.2.1')
  expect(come('192.0.2.1', 2)).toBe(1)
  shares.spoke('192.0.2.1')
  shares.spoke('192.0.2.1')
  expect(come('192.0.2.1', 2)).toBe(1)
})

it('a share is twice what one address has of connections, and never nearly all', () => {
  expect(socketsOfAddress(256, 14_096)).toBe(512)
  expect(socketsOfAddress(256, 64)).toBe(48)
  expect(socketsOfAddress(1, 1)).toBe(1)
})
