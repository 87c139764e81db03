/** Who may connect, decided before anything else is done for them. Pure. */

import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { subprotocol } from '../wire/operations.ts'
import { offeredSubprotocols } from './access/credential.ts'

/** What a broker is told about who may reach it. */
export interface AdmissionRules {
  /** The address that is listened on. */
  readonly host: string
  /** Origins of web pages that may connect, beside that of the broker itself. */
  readonly allowedOrigins: readonly string[]
  /** Names by which it may be addressed, beside those of loopback and its own. */
  readonly allowedHosts: readonly string[]
  /** Whether the port speaks TLS. */
  readonly isEncrypted?: boolean
}

/** Switches that allow what is refused otherwise. */
export interface InsecureSwitches {
  readonly insecureNoAuth?: boolean | undefined
  readonly insecureNoTls?: boolean | undefined
}

/** What stands between a port and those who reach it. */
export interface Protection extends InsecureSwitches {
  /** Whether clients have to say who they are. */
  readonly isAuthenticated?: boolean | undefined
  /** Whether the port speaks TLS alone. */
  readonly isEncrypted?: boolean | undefined
}

/** The settings that name an address to listen on. */
export type BindSetting = 'listen' | 'adminListen'

const loopbackNetwork = '127.'
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/**
 * Whether an address, as text and without brackets, leads to this machine alone. However it is
 * written: uWebSockets.js writes all digits of IPv6, also of IPv4 addresses within it.
 */
export function isLoopbackAddress(address: string): boolean {
  // The list takes tens of microseconds, and each connection asks a few times.
  if (isIPv4(address)) return address.startsWith(loopbackNetwork)
  return isIPv6(address) && !address.includes('%') && loopback.check(address, 'ipv6')
}

/** Whether a host, of a URL or to listen on, is this machine, whatever a resolver says. */
export function isLoopbackName(name: string): boolean {
  const bare = name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name
  return bare.toLowerCase() === 'localhost' || isLoopbackAddress(bare)
}

/**
 * Why a broker must not listen on `host`, or undefined when it may. Names count as what they are,
 * not as what they resolve to: that may change. Whoever reaches a port without authentication may
 * do everything, and whoever is on the way to one without TLS may read it, tokens included.
 */
export function unsafeBindReason(
  host: string,
  protection: Protection,
  setting: BindSetting = 'listen',
): string | undefined {
  if (isLoopbackName(host)) return undefined
  const { isAuthenticated, isEncrypted, insecureNoAuth, insecureNoTls } = protection
  const lacks = [
    ...(isAuthenticated === true || insecureNoAuth === true ? [] : [lacking.authentication]),
    ...(isEncrypted === true || insecureNoTls === true ? [] : [lacking.encryption]),
  ]
  if (lacks.length === 0) return undefined
  return (
    `${setting}: ${JSON.stringify(host)} can be reached from other machines, ` +
    `${lacks.map((it) => it.what).join(' and ')}; listen on 127.0.0.1, ` +
    `give it ${lacks.map((it) => it.remedy).join(' and ')}, or accept the risk with ` +
    lacks.map((it) => it.accept).join(' ')
  )
}

const lacking = {
  authentication: {
    what: 'without authentication',
    remedy: 'an --access-file or a --tls-client-ca-file',
    accept: '--insecure-no-auth',
  },
  encryption: {
    what: 'without TLS',
    remedy: 'a --tls-cert-file with its --tls-key-file',
    accept: '--insecure-no-tls',
  },
} as const

/** The name in a Host header without its port, or undefined when it is no such header. */
function hostName(header: string): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.exec(header)?.[1]
}

/** What no resolver has answered, so that no page can have given it a meaning of its own. */
function isAddress(name: string): boolean {
  return isIP(name.startsWith('[') ? name.slice(1, -1) : name) !== 0
}

/**
 * Why a request is refused by its Host header, or undefined. A page can have its own name resolve
 * to 127.0.0.1, or to a machine of its visitor's network, and its requests then count as its own:
 * only the name gives them away. An address in its place was resolved by nobody.
 */
export function hostRefusal(rules: AdmissionRules, header: string): string | undefined {
  const name = hostName(header)
  if (name !== undefined) {
    if (isLoopbackName(name) || rules.allowedHosts.includes(name)) return undefined
    if (!isLoopbackName(rules.host) && (isAddress(name) || name === rules.host)) return undefined
  }
  return (
    'the Host header names another machine; use 127.0.0.1 or localhost, or start the broker ' +
    'with --allowed-hosts and the name'
  )
}

/**
 * Why a request is refused by its Origin header, or undefined. Any web page can open a WebSocket to
 * 127.0.0.1, and the browser says only from where. Whoever serves pages on this machine may be
 * anybody, too: an origin has to be named, or be that of the broker itself, as where a proxy serves
 * a page under the name of the broker. A page that came without TLS is of whoever is on the way,
 * and none of a broker with TLS. `host`: of a Host header that was let in.
 */
export function originRefusal(
  rules: AdmissionRules,
  origin: string,
  host: string,
): string | undefined {
  // Not a browser.
  if (origin === '') return undefined
  if (rules.allowedOrigins.includes(origin)) return undefined
  const schemes = rules.isEncrypted === true ? ['https'] : ['http', 'https']
  if (host !== '' && schemes.some((it) => origin === `${it}://${host}`)) return undefined
  return `pages of this origin may not connect; name it with --allowed-origins`
}

/** Why a request is refused by what it says of its way here, or undefined. */
export function headersRefusal(
  rules: AdmissionRules,
  { host, origin }: { readonly host: string; readonly origin: string },
): string | undefined {
  return hostRefusal(rules, host) ?? originRefusal(rules, origin, host)
}

/** Which subprotocol a connection gets, and whether it is the one that is spoken here. */
export interface Negotiated {
  readonly subprotocol: string
  readonly isSpoken: boolean
}

/**
 * Chooses from a Sec-WebSocket-Protocol header. A client that offers others alone gets the first of
 * them back, to be closed at once: without any it would break the connection off by itself, and
 * would never see the code that says why.
 */
export function negotiate(header: string): Negotiated {
  const offered = offeredSubprotocols(header)
  if (offered.includes(subprotocol)) return { subprotocol, isSpoken: true }
  return { subprotocol: offered[0] ?? '', isSpoken: false }
}
