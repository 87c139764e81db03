/** Whom an address counts as: whoever has one of IPv6 has as many of its network as they like. */

import { isIPv6 } from 'node:net'

const groupsOfNetwork = 4
const groupsOfAddress = 8

/**
 * The address itself, as text, or the /64 of an address of IPv6; an address of IPv4 within one of
 * IPv6 is what it was. What is no address stays what it is.
 */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address
  const [plain = ''] = address.split('%', 1)
  if (!isIPv6(plain)) return address
  const groups = groupsOf(plain)
  const mapped = groups.slice(0, groupsOfAddress - 2).join(':') === '0:0:0:0:0:ffff'
  if (mapped) return groups.slice(-2).flatMap(bytesOf).join('.')
  return `${groups.slice(0, groupsOfNetwork).join(':')}::/64`
}

/** Eight of them, without zeros in front. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::', 2)
  const before = listOf(head)
  const after = listOf(tail ?? '')
  const missing = tail === undefined ? 0 : groupsOfAddress - before.length - after.length
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after]
}

function listOf(text: string): string[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => (group.includes('.') ? pairsOf(group) : [short(group)]))
}

/** The two groups that an address of IPv4 at the end stands for. */
function pairsOf(text: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number)
  return [(a << 8) | b, (c << 8) | d].map((it) => it.toString(16))
}

function bytesOf(group: string): number[] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}

function short(group: string): string {
  return Number.parseInt(group, 16).toString(16)
}
