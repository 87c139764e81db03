/** The files of a port that speaks TLS: read and checked before anything uses them. */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { readPrivateText } from '../../broker/private-file.ts'
import { MillraceError } from '../../errors.ts'

export interface TlsFiles {
  /** The certificate of the broker and those that lead to its authority, in PEM. */
  readonly certFile: string
  /** Its private key in PEM, without a passphrase, for the user of the broker alone. */
  readonly keyFile: string
  /** Authorities of clients, in PEM: with them each client needs a certificate of theirs. */
  readonly clientCaFile?: string | undefined
}

/** What was read. Together: a pair, and the authorities that it was read with. */
export interface TlsMaterial {
  readonly context: SecureContextOptions
  /** Whether clients need certificates. */
  readonly isMutual: boolean
  /** For the log. */
  readonly facts: { readonly names: string; readonly validTo: string; readonly fingerprint: string }
}

const minVersion = 'TLSv1.2'

/**
 * Of TLS 1.2: with forward secrecy, and authenticated. Those of 1.3 all are, and stand first, as
 * this list replaces the defaults of both.
 */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Rejects with a MillraceError, TLS_FILE_REFUSED: a file cannot be read or is none of its kind,
 * others may read the key, the key is not that of the certificate, or that has expired.
 */
export async function readTlsFiles(files: TlsFiles, now: number): Promise<TlsMaterial> {
  const { certFile, keyFile, clientCaFile } = files
  const cert = await readPublicText(certFile)
  const key = await readPrivateText(keyFile, 'TLS_FILE_REFUSED', 'private key')
  const ca = clientCaFile === undefined ? undefined : await readPublicText(clientCaFile)
  const certificate = parse(certFile, 'no certificate in PEM', () => new X509Certificate(cert))
  checkPair(files, certificate, privateKeyOf(keyFile, key))
  checkTime(certFile, certificate, now)
  if (clientCaFile !== undefined && ca !== undefined) checkAuthorities(clientCaFile, ca)
  const mutual = ca === undefined ? {} : { ca }
  const context = { cert, key, ...mutual, minVersion, ciphers, honorCipherOrder: true } as const
  parse(certFile, 'not usable', () => createSecureContext(context))
  return { context, isMutual: ca !== undefined, facts: factsOf(certificate) }
}

async function readPublicText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw refused(`${path} cannot be read: ${reason}.`, cause)
  }
}

/** What libraries throw may quote what they were given: the message has none of theirs. */
function parse<Value>(path: string, what: string, run: () => Value): Value {
  try {
    return run()
  } catch (cause) {
    throw refused(`${path} is ${what}.`, (cause as NodeJS.ErrnoException).code)
  }
}

function privateKeyOf(path: string, text: string): KeyObject {
  return parse(path, 'no private key in PEM, or one with a passphrase', () =>
    createPrivateKey(text),
  )
}

function checkPair({ certFile, keyFile }: TlsFiles, cert: X509Certificate, key: KeyObject): void {
  if (cert.checkPrivateKey(key)) return
  throw refused(`${keyFile} is not the key of the certificate in ${certFile}.`)
}

function checkTime(path: string, { validTo }: X509Certificate, now: number): void {
  if (Date.parse(validTo) > now) return
  throw refused(`the certificate in ${path} has expired: ${validTo}.`)
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** A file without any would leave every client out, or ask the system whom to trust. */
function checkAuthorities(path: string, text: string): void {
  const found = text.match(pemCertificate) ?? []
  if (found.length === 0) throw refused(`${path} has no certificate in PEM.`)
  for (const one of found) parse(path, 'no list of certificates', () => new X509Certificate(one))
}

function factsOf({ subject, subjectAltName, validTo, fingerprint256 }: X509Certificate) {
  return { names: subjectAltName ?? subject, validTo, fingerprint: fingerprint256 }
}

function refused(text: string, cause?: unknown): MillraceError {
  return new MillraceError('TLS_FILE_REFUSED', text, cause === undefined ? {} : { cause })
}
