import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readTlsFiles, type TlsFiles } from '../../../../src/server/tls/tls-files.ts'
import { TlsReload } from '../../../../src/server/tls/tls-reload.ts'
import { Authority, type Pair, replacePair } from '../../../support/certificates.ts'
import { FakeLogger } from '../fakes.ts'

let dir: string
let authority: Authority
let pair: Pair
let other: Pair

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
  authority = new Authority(dir, 'authority')
  pair = authority.issue({ name: 'broker' })
  other = authority.issue({ name: 'other' })
})
afterAll(() => rmSync(dir, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const read = (files: Partial<TlsFiles>) => readTlsFiles({ ...pair, ...files }, Date.now())

describe('the files of a port', () => {
  it('are read together, with what they say', async () => {
    const { isMutual, facts } = await read({})
    expect(isMutual).toBe(false)
    expect(facts).toMatchObject({
      names: 'DNS:localhost, IP Address:127.0.0.1',
      fingerprint: expect.stringMatching(/^[0-9A-F:]{95}$/),
    })
    expect((await read({ clientCaFile: authority.certFile })).isMutual).toBe(true)
  })

  it('are refused where the key is for others to read', async () => {
    chmodSync(other.keyFile, 0o640)
    await expect(readTlsFiles(other, Date.now())).rejects.toMatchObject({
      code: 'TLS_FILE_REFUSED',
      message: expect.stringContaining(`chmod 600 ${other.keyFile}`),
    })
    chmodSync(other.keyFile, 0o600)
  })

  it('are refused where the key is that of another certificate', async () => {
    await expect(read({ keyFile: other.keyFile })).rejects.toMatchObject({
      code: 'TLS_FILE_REFUSED',
      message: expect.stringContaining('is not the key of the certificate'),
    })
  })

  it('are refused where the certificate has expired', async () => {
    const expired = authority.issue({ name: 'old', days: -1 })
    await expect(readTlsFiles(expired, Date.now())).rejects.toThrow(/has expired/)
    await expect(readTlsFiles(pair, Date.now() + 3 * 86_400_000)).rejects.toThrow(/has expired/)
  })

  it.each([
    ['certFile', 'no-such-file', /cannot be read: ENOENT/],
    [
      'certFile',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /no certificate/,
    ],
    ['certFile', '', /no certificate/],
    ['keyFile', 'rubbish', /no private key/],
    ['clientCaFile', '', /has no certificate/],
    [
      'clientCaFile',
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      /no list of certificates/,
    ],
  ] as const)('are refused where the %s is %j', async (kind, text, message) => {
    const path = text === 'no-such-file' ? join(dir, text) : write(`bad-${kind}`, text)
    const refusal = read({ [kind]: path })
    await expect(refusal).rejects.toMatchObject({ code: 'TLS_FILE_REFUSED' })
    await expect(refusal).rejects.toThrow(message)
  })

  it('never quote a key in an error', async () => {
    const secret = 'c2VjcmV0LWNhbmFyeS01ZlF4'
    const text = `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`
    const error = await read({ keyFile: write('canary', text) }).catch((it: unknown) => it)
    expect(error).toBeInstanceOf(Error)
    const { message, stack, cause } = error as Error
    expect(`${message} ${stack} ${JSON.stringify(cause)}`).not.toContain(secret)
  })
})

describe('a reload', () => {
  async function watched() {
    const own = authority.issue({ name: 'own' })
    const logger = new FakeLogger()
    const reload = await TlsReload.open({ files: own, logger, lookMillis: 1_000_000 })
    const renewals: string[] = []
    reload.onRenewal(({ facts }) => renewals.push(facts.fingerprint))
    return { own, logger, reload, renewals }
  }

  it('takes what has changed, and nothing else', async () => {
    const { own, reload, renewals, logger } = await watched()
    const before = reload.material.facts.fingerprint
    await reload.reload()
    expect(renewals).toEqual([])
    replacePair(own, authority.issue({ name: 'own' }))
    await reload.reload()
    await reload.reload()
    expect(renewals).toEqual([reload.material.facts.fingerprint])
    expect(renewals).not.toContain(before)
    expect(logger.lines.at(-1)).toMatchObject({ level: 'info', text: 'certificate read again' })
    reload.close()
  })

  it('keeps what it has where the new pair is wrong, and says so', async () => {
    const { own, reload, renewals, logger } = await watched()
    const before = reload.material
    const next = authority.issue({ name: 'own' })
    copyFileSync(next.certFile, own.certFile)
    await reload.reload()
    expect(reload.material).toBe(before)
    expect(renewals).toEqual([])
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'error',
      text: expect.stringContaining('the old one stays'),
      facts: { code: 'TLS_FILE_REFUSED' },
    })
    replacePair(own, next)
    await reload.reload()
    expect(renewals).toHaveLength(1)
    reload.close()
  })
})
