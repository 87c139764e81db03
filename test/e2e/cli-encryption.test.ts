/** Keys and encrypted streams on the command line, against a running broker. */

import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runHere } from '../support/run-here.ts'
import { runCli, serve, temporaryDirectory } from './cli-process.ts'

const canary = 'a canary that nobody is to find'

const done = (stdout: string) => ({ status: 0, stdout: `${stdout}\n`, stderr: '' })

function filesWith(directory: string, wanted: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name))
    .filter((path) => readFileSync(path).includes(wanted))
}

/** What stands behind the ids in a key file. */
function secretsOf(path: string): string[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((it) => it.split(' ')[1] as string)
}

it('keys are made, each once, in a file for its owner alone', async () => {
  const keyFile = join(temporaryDirectory(), 'millrace.keys')
  const make = (id: string) => runHere(['key', 'new', id, '--key-file', keyFile])
  const made = await make('2026-11')
  expect(made.stdout).toMatch(/^added key 2026-11 to .*\nkeep a copy in another place/)
  expect((await make('2026-12')).status).toBe(0)
  expect(statSync(keyFile).mode & 0o777).toBe(0o600)
  const secrets = secretsOf(keyFile)
  expect(new Set(secrets).size).toBe(2)
  expect(secrets.every((it) => Buffer.from(it, 'base64').length === 32)).toBe(true)
  const again = await make('2026-11')
  expect(again.stderr).toMatch(/^error: USAGE: .* has a key 2026-11/)
  expect([again.status, (await make('2026/11')).status]).toEqual([2, 2])
  expect(secretsOf(keyFile)).toEqual(secrets)
  chmodSync(keyFile, 0o644)
  const open = await make('2027-01')
  expect(open.stderr).toMatch(/^error: KEY_FILE_REFUSED: .*mode 0644.*chmod 600/)
  expect(open.status).toBe(4)
  const without = await runHere(['key', 'new', 'k'])
  expect(without.stderr).toMatch(/^error: USAGE: no key file is set/)
})

it('a stream is encrypted and decrypted, and its key is nowhere but in the key file', async () => {
  const directory = temporaryDirectory()
  const [data, keyFile] = [join(directory, 'data'), join(directory, 'millrace.keys')]
  await runCli(['key', 'new', 'k1', '--key-file', keyFile])
  const settings = ['--data', data, '--key-file', keyFile]
  const served = await serve([...settings, '--create', 'orders:2', '--log-level', 'debug'])
  const environment = { MILLRACE_URL: served.url }
  const run = (...args: string[]) => runHere(args, { environment })
  expect(await run('stream', 'encrypt', 'orders', '--key', 'k1')).toEqual(
    done('records of orders are encrypted from now on, with key k1'),
  )
  expect((await run('stream', 'info', 'orders')).stdout).toMatch(/^encrypted +with key k1$/m)
  await run('put', 'orders', '--key', 'a', canary)
  const got = await run('get', 'orders', '--from', 'oldest')
  expect(got.stdout).toContain(canary)
  const followed = await run('tail', 'orders', '--from', 'oldest', '--limit', '1')
  expect(followed.stdout).toContain(canary)
  expect((await run('stream', 'encrypt', 'orders')).stderr).toMatch(/^error: USAGE: .*--key ID/)
  const missing = await run('stream', 'encrypt', 'orders', '--key', 'k2')
  expect(missing.stderr).toMatch(/^error: KEY_NOT_FOUND: .*no key k2/)
  expect(missing.status).toBe(3)
  // The next one is there as soon as it is in the file.
  await runHere(['key', 'new', 'k2', '--key-file', keyFile])
  expect((await run('stream', 'encrypt', 'orders', '--key', 'k2')).status).toBe(0)
  await run('put', 'orders', '--key', 'a', canary)
  served.child.kill('SIGHUP')
  await served.stderr.until((it) => it.includes('"keys":2,"msg":"key file read again"'))
  expect((await run('stream', 'decrypt', 'orders')).stdout).toMatch(/keep key k2 until the last/)
  expect(await run('stream', 'decrypt', 'orders')).toEqual(done('orders is not encrypted'))
  const metrics = await (await fetch(`http://127.0.0.1:${served.port}/metrics`)).text()
  expect(await served.stop()).toBe(0)
  expect((await runCli(['verify', '--data', data])).status).toBe(0)
  expect(filesWith(data, canary)).toEqual([])
  for (const secret of secretsOf(keyFile)) {
    const bytes = Buffer.from(secret, 'base64')
    for (const text of [secret, bytes.toString('hex'), bytes.toString('latin1')]) {
      expect([metrics, served.stderr.text].filter((it) => it.includes(text))).toEqual([])
      expect(filesWith(data, text)).toEqual([])
    }
  }
})
