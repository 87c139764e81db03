/** What protects a broker, as it is set: the addresses that it may have, and the files. */

import type { AccessRules } from '../server/access/access-file.ts'
import { readAccessText } from '../server/access/access-text.ts'
import { adminProtection } from '../server/admin-port.ts'
import { bindAddress } from '../server/bind-address.ts'
import type { TlsFiles } from '../server/tls/tls-files.ts'
import { type Config, parseAddress } from './config-schema.ts'
import { CliError } from './exit-codes.ts'
import { plural } from './units.ts'

/** Rejects with a MillraceError, UNSAFE_ADDRESS, and with what `tlsFiles` throws. */
export async function checkAddresses(config: Config): Promise<void> {
  const tls = tlsFiles(config)
  const isEncrypted = tls !== undefined
  const isAuthenticated = config.accessFile !== '' || tls?.clientCaFile !== undefined
  await bindAddress(addressOf(config).host, { ...config, isAuthenticated, isEncrypted })
  const admin = parseAddress(config.adminListen)
  if (admin === undefined) return
  await bindAddress(admin.host, adminProtection(config), 'adminListen')
}

export function addressOf({ listen }: Config): { host: string; port: number } {
  return parseAddress(listen) as { host: string; port: number }
}

/** Throws a CliError, CONFIGURATION_INVALID, where half of a pair is given. */
export function tlsFiles(config: Config): TlsFiles | undefined {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsClientCaFile: clientCaFile } = config
  if (certFile !== '' && keyFile !== '') {
    return { certFile, keyFile, clientCaFile: clientCaFile === '' ? undefined : clientCaFile }
  }
  if (certFile === '' && keyFile === '' && clientCaFile === '') return undefined
  throw new CliError('CONFIGURATION_INVALID', 'TLS takes both a certificate and its private key', {
    hint: 'Give --tls-cert-file and --tls-key-file, or neither of them, nor --tls-client-ca-file.',
  })
}

/** With the keys that it names, as a broker reads it. Rejects with ACCESS_FILE_REFUSED. */
export async function readAccessFile(path: string): Promise<AccessRules> {
  const { parseAccessFile } = await import('../server/access/access-file.ts')
  const rules = parseAccessFile(await readAccessText(path), path)
  if (rules.jwt !== undefined) {
    const { JwtVerifier } = await import('../server/access/jwt-verifier.ts')
    await JwtVerifier.open(rules.jwt)
  }
  return rules
}

/** How much there is of what. */
export function countsOf({ principals, tokens, jwt, certificates }: AccessRules) {
  return {
    principals: Object.keys(principals).length,
    tokens: tokens.length,
    keys: jwt?.keys.length ?? 0,
    certificates: certificates.length,
  }
}

/** ... in words: `1 principal, 2 tokens, 0 keys, 0 certificates`. */
export function countsText(rules: AccessRules): string {
  const counts = Object.entries(countsOf(rules))
  return counts.map(([name, count]) => plural(count, name.slice(0, -1))).join(', ')
}
