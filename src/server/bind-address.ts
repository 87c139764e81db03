/** The address behind a host that is listened on, and whether it may be. */

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { MillraceError } from '../errors.ts'
import {
  type BindSetting,
  isLoopbackAddress,
  isLoopbackName,
  type Protection,
  unsafeBindReason,
} from './admission.ts'

export type Resolve = (host: string) => Promise<readonly { readonly address: string }[]>

const resolveAll: Resolve = (host) => lookup(host, { all: true })

/**
 * What to listen on for `host`: itself, or the loopback address of a loopback name. Rejects with a
 * MillraceError: UNSAFE_ADDRESS when others could reach it and it is not protected, which goes for
 * a `localhost` that the resolver of this machine leads elsewhere, too; ADDRESS_UNAVAILABLE when
 * that name is unknown.
 */
export async function bindAddress(
  host: string,
  protection: Protection,
  setting: BindSetting = 'listen',
  resolve: Resolve = resolveAll,
): Promise<string> {
  const unsafe = unsafeBindReason(host, protection, setting)
  if (unsafe !== undefined) throw new MillraceError('UNSAFE_ADDRESS', unsafe)
  if (!isLoopbackName(host) || isIP(host) !== 0) return host
  const addresses = (await resolved(host, resolve)).map((it) => it.address)
  for (const address of addresses) {
    const reason = isLoopbackAddress(address)
      ? undefined
      : unsafeBindReason(address, protection, setting)
    if (reason !== undefined) {
      const text = `${JSON.stringify(host)} leads to ${address} here: ${reason}`
      throw new MillraceError('UNSAFE_ADDRESS', text)
    }
  }
  return addresses[0] ?? host
}

async function resolved(host: string, resolve: Resolve) {
  try {
    return await resolve(host)
  } catch (cause) {
    throw unknownName(host, cause)
  }
}

function unknownName(host: string, cause: unknown): MillraceError {
  const text = `listen: ${host}: the name is unknown; listen on 127.0.0.1`
  return new MillraceError('ADDRESS_UNAVAILABLE', text, { cause })
}
