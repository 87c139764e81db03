/** Commands that need no broker: what they print, and how they end. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Authority } from '../support/certificates.ts'
import { jsonLines, runCli, temporaryDirectory } from './cli-process.ts'

it('ends with 2 and a hint when the command line is wrong', async () => {
  const { status, stdout, stderr } = await runCli(['tail', 'orders', '--form', '1'])
  expect(stderr).toBe("error: USAGE: unknown option '--form'\nhint: Did you mean --from?\n")
  expect(stdout).toBe('')
  expect(status).toBe(2)
})

describe('config', () => {
  it('shows each value with its origin', async () => {
    const cwd = temporaryDirectory()
    writeFileSync(join(cwd, 'millrace.json'), '{"data": "./here", "storage": {"spareSegments": 3}}')
    const environment = { MILLRACE_LOG_LEVEL: 'warn' }
    const args = ['config', 'show', '--origin', '--listen', '127.0.0.1:0']
    const { status, stdout } = await runCli(args, { cwd, environment })
    expect(status).toBe(0)
    expect(stdout).toMatch(/^listen +127\.0\.0\.1:0 +flag --listen$/m)
    expect(stdout).toMatch(/^data +\.\/here +file \.\/millrace\.json$/m)
    expect(stdout).toMatch(/^logLevel +warn +environment MILLRACE_LOG_LEVEL$/m)
    expect(stdout).toMatch(/^storage\.spareSegments +3 +file \.\/millrace\.json$/m)
    expect(stdout).toMatch(/^url +ws:\/\/127\.0\.0\.1:4570 +default$/m)
  })

  it('shows no password', async () => {
    const environment = { MILLRACE_URL: 'wss://ann:secret@example.org/' }
    const { stdout } = await runCli(['config', 'show', '--json'], { environment })
    expect(jsonLines(stdout)).toContainEqual({
      setting: 'url',
      value: 'wss://ann:***@example.org/',
      origin: 'environment MILLRACE_URL',
    })
    expect(stdout).not.toContain('secret')
  })

  it.each([
    ['{"lisen": "127.0.0.1:1"}', 'millrace.json has the unknown key lisen', 'Did you mean listen?'],
    ['{"listen": 7}', 'listen is 7 (from file ./millrace.json), wanted HOST:PORT', '--listen'],
    ['{', 'millrace.json is no JSON', 'millrace config defaults'],
  ])('refuses the file %s in every command that has settings', async (content, message, hint) => {
    const cwd = temporaryDirectory()
    writeFileSync(join(cwd, 'millrace.json'), content)
    for (const args of [['config', 'check'], ['serve'], ['stream', 'ls']]) {
      const { status, stderr } = await runCli(args, { cwd })
      expect(stderr).toContain(message)
      expect(stderr).toContain(hint)
      expect(status).toBe(2)
    }
  })

  it('refuses a file that is not there, and one that is a directory', async () => {
    const cwd = temporaryDirectory()
    mkdirSync(join(cwd, 'folder'))
    const missing = await runCli(['config', 'check', '--config', 'no.json'], { cwd })
    expect(missing.stderr).toContain('the file no.json cannot be read: ENOENT')
    expect(missing.status).toBe(2)
    const folder = await runCli(['config', 'check', '--config', 'folder'], { cwd })
    expect(folder.stderr).toContain('the file folder cannot be read: EISDIR')
    expect(folder.status).toBe(2)
  })

  it('warns of a variable that means nothing', async () => {
    const environment = { MILLRACE_LISTN: 'x', MILLRACE_PORT: 'tcp://10.0.0.1:4570' }
    const { status, stdout, stderr } = await runCli(['config', 'check'], { environment })
    expect(status).toBe(0)
    expect(stdout).toContain('the configuration is valid')
    expect(stderr).toBe(
      'warning: the environment variable MILLRACE_LISTN is no setting and has no effect; ' +
        'did you mean MILLRACE_LISTEN?\n',
    )
  })

  it('prints defaults that it takes back, as a file and as variables', async () => {
    const cwd = temporaryDirectory()
    const { stdout } = await runCli(['config', 'defaults'])
    writeFileSync(join(cwd, 'millrace.json'), stdout)
    expect((await runCli(['config', 'check'], { cwd })).status).toBe(0)
    const variables = await runCli(['config', 'defaults', '--env'])
    const environment = Object.fromEntries(
      variables.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    )
    expect(environment).toMatchObject({ MILLRACE_LISTEN: '127.0.0.1:4570' })
    const taken = await runCli(['config', 'check'], { environment })
    expect(taken).toMatchObject({ status: 0, stderr: '' })
  })
})

describe('doctor', () => {
  it('finds nothing wrong here, and says what it looked at', async () => {
    const cwd = temporaryDirectory()
    const { status, stdout } = await runCli(['doctor', '--json', '--listen', '127.0.0.1:0'], {
      cwd,
    })
    const checks = jsonLines(stdout)
    expect(checks.filter((it) => it['state'] === 'failed')).toEqual([])
    expect(checks.map((it) => it['name'])).toEqual([
      'node',
      'libc',
      'uWebSockets.js',
      'native addon',
      'configuration',
      'address',
      'data directory',
      'disk space',
      'disk sync',
      'broker',
      'port',
    ])
    expect(status).toBe(0)
  })

  it('finds what a broker would refuse to start with, and what will soon be over', async () => {
    const cwd = temporaryDirectory()
    const files = new Authority(cwd, 'ca').issue({ name: 'broker' })
    const environment = {
      MILLRACE_TLS_CERT_FILE: files.certFile,
      MILLRACE_TLS_KEY_FILE: files.keyFile,
      MILLRACE_ACCESS_FILE: 'access.json',
    }
    const doctor = async (listen: string) => {
      const args = ['doctor', '--quiet', '--listen', listen]
      return await runCli(args, { cwd, environment })
    }
    const missing = await doctor('127.0.0.1:0')
    expect(missing.stdout).toMatch(/^FAILED +access file +access\.json cannot be read: ENOENT/m)
    expect(missing.stdout).toMatch(/^warning +certificate +DNS:localhost, .* valid for 1 day$/m)
    expect(missing.status).toBe(1)

    const key = { kid: 'k', algorithm: 'HS256', secretFile: 'none' }
    const jwt = { issuer: 'i', audience: 'a', keys: [key] }
    writeFileSync(join(cwd, 'access.json'), JSON.stringify({ principals: {}, jwt }), {
      mode: 0o600,
    })
    const keyless = await doctor('127.0.0.1:0')
    expect(keyless.stdout).toMatch(/^FAILED +access file +none cannot be read: ENOENT/m)

    writeFileSync(join(cwd, 'access.json'), '{ "principals": {} }', { mode: 0o600 })
    expect(await doctor('0.0.0.0:0')).toMatchObject({ status: 0 })
    environment.MILLRACE_ACCESS_FILE = ''
    const open = await doctor('0.0.0.0:0')
    expect(open.stdout).toMatch(/^FAILED +address +listen: "0\.0\.0\.0" can be reached/m)
    expect(open.status).toBe(1)
  })

  it('exits 6 when the broker that was named is not there', async () => {
    const args = ['doctor', '--quiet', '--url', 'ws://127.0.0.1:1', '--listen', '127.0.0.1:0']
    const { status, stdout } = await runCli(args, { cwd: temporaryDirectory() })
    expect(stdout).toMatch(/^FAILED +broker +none at 127\.0\.0\.1:1: ECONNREFUSED\n +hint: /m)
    expect(status).toBe(6)
  })

  it('exits 1 when a certificate cannot be read, having looked at everything else', async () => {
    const args = ['doctor', '--tls-ca-file', 'none.pem', '--listen', '127.0.0.1:0']
    const { status, stdout, stderr } = await runCli(args, { cwd: temporaryDirectory() })
    expect(stdout).toMatch(/^FAILED +certificates +tlsCaFile: none\.pem cannot be read: ENOENT$/m)
    expect(stdout).toMatch(/^ok +port /m)
    expect(stderr).toBe('')
    expect(status).toBe(1)
  })

  it('exits 1 and names the remedy when the addon is missing', async () => {
    const environment = { MILLRACE_ADDON: '/nowhere/millrace.node' }
    const cwd = temporaryDirectory()
    const { status, stdout } = await runCli(['doctor'], { environment, cwd })
    expect(stdout).toMatch(/^FAILED +native addon/m)
    expect(stdout).toContain('hint: Run: npx millrace doctor --build')
    expect(status).toBe(1)
  })

  it('exits 1 when the data directory is a file', async () => {
    const cwd = temporaryDirectory()
    writeFileSync(join(cwd, 'file'), '')
    const { status, stdout } = await runCli(['doctor', '--quiet', '--data', 'file'], { cwd })
    expect(stdout).toMatch(/^FAILED +data directory +.* is no directory$/m)
    expect(status).toBe(1)
  })
})

it('says which addon is missing when a command needs it', async () => {
  const cwd = temporaryDirectory()
  mkdirSync(join(cwd, 'millrace-data'))
  const environment = { MILLRACE_ADDON: '/nowhere/millrace.node' }
  for (const args of [['verify'], ['serve', '--listen', '127.0.0.1:0']]) {
    const { status, stderr } = await runCli(args, { environment, cwd })
    expect(stderr).toContain('error: ADDON_MISSING: the native addon /nowhere/millrace.node')
    expect(stderr).toContain('hint: Run: npx millrace doctor --build')
    expect(status).toBe(1)
  }
})

it('shows the version', async () => {
  expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
