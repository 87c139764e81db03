/** Certificates for tests, made by openssl when they are needed and gone with the test. */

import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Pair {
  readonly certFile: string
  readonly keyFile: string
}

interface Wanted {
  readonly name: string
  /** As openssl writes them: `DNS:localhost,IP:127.0.0.1`. */
  readonly alternativeNames?: string
  readonly days?: number
  /** `rsa` or, unless it is given, an elliptic curve. */
  readonly kind?: 'ec' | 'rsa'
}

const kinds = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** An authority of its own, below a directory, which signs what it is asked for. */
export class Authority {
  readonly certFile: string
  readonly #dir: string
  readonly #name: string
  #count = 0

  constructor(dir: string, name: string) {
    this.#dir = dir
    this.#name = name
    this.certFile = join(dir, `${name}.pem`)
    const key = ['-nodes', '-keyout', this.#keyFile, '-out', this.certFile]
    openssl('req', '-x509', ...kinds.ec, ...key, '-days', '2', '-subj', `/CN=${name}`)
  }

  get #keyFile(): string {
    return join(this.#dir, `${this.#name}.key`)
  }

  issue({ name, alternativeNames = 'DNS:localhost,IP:127.0.0.1', ...more }: Wanted): Pair {
    const { days = 2, kind = 'ec' } = more
    this.#count += 1
    const base = join(this.#dir, `${this.#name}-${this.#count}`)
    const [certFile, keyFile, request] = [`${base}.pem`, `${base}.key`, `${base}.csr`]
    const key = ['-nodes', '-keyout', keyFile, '-out', request]
    openssl('req', ...kinds[kind], ...key, '-subj', `/CN=${name}`)
    const extensions = `${base}.ext`
    writeFileSync(extensions, `subjectAltName=${alternativeNames}\n`)
    const signer = ['-CA', this.certFile, '-CAkey', this.#keyFile, '-CAcreateserial']
    const rest = ['-days', String(days), '-extfile', extensions, '-out', certFile]
    openssl('x509', '-req', '-in', request, ...signer, ...rest)
    chmodSync(keyFile, 0o600)
    return { certFile, keyFile }
  }
}

/** Puts a pair into the place of another one, as who renews certificates does. */
export function replacePair(old: Pair, next: Pair): void {
  copyFileSync(next.keyFile, old.keyFile)
  copyFileSync(next.certFile, old.certFile)
}
