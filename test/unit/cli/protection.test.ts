import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveConfig } from '../../../src/cli/config.ts'
import type { Config } from '../../../src/cli/config-schema.ts'
import { checkProtection } from '../../../src/cli/doctor/protection.ts'
import { countsText, readAccessFile } from '../../../src/cli/protection.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-protection-'))
  path = join(folder, 'access.json')
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

const secret = (text: string) => {
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, text, { mode: 0o600 })
  return secretFile
}

const write = (secretFile: string) => {
  const keys = [{ kid: 'k', algorithm: 'HS256', secretFile }]
  const rules = { principals: { app: {} }, jwt: { issuer: 'i', audience: 'a', keys } }
  writeFileSync(path, JSON.stringify(rules), { mode: 0o600 })
}

describe('an access file', () => {
  it('is read with the keys that it names', async () => {
    write(secret('x'.repeat(32)))
    const text = countsText(await readAccessFile(path))
    expect(text).toBe('1 principal, 0 tokens, 1 key, 0 certificates')
    write(secret('short'))
    await expect(readAccessFile(path)).rejects.toMatchObject({ code: 'ACCESS_FILE_REFUSED' })
    write(join(folder, 'none'))
    await expect(readAccessFile(path)).rejects.toThrow('none cannot be read: ENOENT')
  })
})

describe('what doctor says of the address', () => {
  const stateOf = async (environment: Record<string, string>) => {
    const { values } = resolveConfig({ flags: {}, environment })
    for await (const check of checkProtection(values as Config)) return check
    return undefined
  }

  it.each([
    [{}, 'ok', 'for this machine alone'],
    [{ MILLRACE_LISTEN: '0.0.0.0:1' }, 'failed', 'without authentication and without TLS'],
    [{ MILLRACE_LISTEN: '0.0.0.0:1', MILLRACE_TLS_CERT_FILE: 'a.pem' }, 'failed', 'takes both'],
    [
      {
        MILLRACE_LISTEN: '0.0.0.0:1',
        MILLRACE_INSECURE_NO_AUTH: 'true',
        MILLRACE_INSECURE_NO_TLS: 'true',
      },
      'warning',
      'for others, with insecureNoAuth and insecureNoTls',
    ],
  ])('with %j it is %s', async (environment, state, text) => {
    expect(await stateOf(environment)).toMatchObject({
      state,
      detail: expect.stringContaining(text),
    })
  })
})
