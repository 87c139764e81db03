// A certificate for a broker on loopback, signed by itself: who trusts it reaches that broker.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
const SUBJECT = ['-subj', '/CN=broker', '-addext', 'subjectAltName=IP:127.0.0.1']

// Answers the options of `serve` for it, and the certificate itself.
export function makeCertificate(directory) {
  const [certFile, keyFile] = ['broker.pem', 'broker.key'].map((name) => join(directory, name))
  const files = ['-nodes', '-keyout', keyFile, '-out', certFile]
  const args = ['req', '-x509', ...EC, ...files, '-days', '2', ...SUBJECT]
  execFileSync('openssl', args, { stdio: 'ignore' })
  const more = ['--tls-cert-file', certFile, '--tls-key-file', keyFile]
  return { more, certificate: readFileSync(certFile) }
}
