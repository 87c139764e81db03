import { chownSync, lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runHere } from '../support/run-here.ts'
import { runCli, temporaryDirectory } from './cli-process.ts'

it('tokens are made, shown once, and kept as hashes alone', async () => {
  const path = join(temporaryDirectory(), 'access.json')
  const access = (words: string[], input = '') =>
    runHere(['access', ...words], { environment: { MILLRACE_ACCESS_FILE: path }, input })
  const made = await access(['token', 'app', '--put', 'orders', '--get', 'orders,metrics-*'])
  expect(made.stderr).toBe(
    'this token is shown once, and kept nowhere: put it where its user reads it\n',
  )
  const token = made.stdout.trim()
  expect(token).toMatch(/^mrt_app_[A-Za-z0-9_-]{43}$/)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const text = readFileSync(path, 'utf8')
  expect(text).not.toContain(token.slice('mrt_app_'.length))
  expect(text).toContain((await access(['hash'], token)).stdout.trim())

  const second = await access(['token', 'app-2', '--principal', 'app', '--json'])
  expect(JSON.parse(second.stdout)).toMatchObject({ id: 'app-2', principal: 'app' })
  const allowed = async (stream: string) =>
    (await access(['check', '--principal', 'app', '--stream', stream])).stdout
  expect(await allowed('orders')).toBe('put get\n')
  expect(await allowed('metrics-cpu')).toBe('get\n')
  expect(await allowed('other')).toBe('nothing\n')
  expect((await access(['check'])).stdout).toMatch(/ is right: 1 principal, 2 tokens, 0 keys/)

  for (const [words, message] of [
    [['token', 'app', '--principal', 'app'], 'there is a token app'],
    [['token', 'x', '--principal', 'new'], 'say what it may do'],
    [['token', 'x', '--principal', 'app', '--put', 'a'], 'there is a principal app'],
    [['token', 'x/y', '--put', 'a'], 'tokens.2.id'],
    [['token', 'x', '--principal', 'app', '--expires', 'soon'], 'tokens.2.expires'],
    [['token', 'x', '--principal', 'app', '--expires', '2020-01-01T00:00:00Z'], 'is over'],
    [['token', 'x', '--put', 'or*ders'], 'wanted the name of a stream, or its beginning and a *'],
    [['check', '--principal', 'new', '--stream', 'a'], 'has no principal new'],
    [['check', '--principal', 'app'], '--principal and --stream go together'],
  ] as const) {
    const refused = await access([...words])
    expect([refused.status === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining(message),
    ])
  }
  expect(JSON.parse(readFileSync(path, 'utf8')).tokens).toHaveLength(2)
})

it('a file keeps its owner, and the link that leads to it', async () => {
  const folder = temporaryDirectory()
  const path = join(folder, 'access.json')
  const link = join(folder, 'link.json')
  const add = (id: string, file: string) =>
    runHere(['access', 'token', id, '--principal', 'app', ...(id === 'a' ? ['--put', '*'] : [])], {
      environment: { MILLRACE_ACCESS_FILE: file },
    })
  expect((await add('a', path)).status).toBe(0)
  // Another user is one only for root; who is not keeps its own.
  if (process.geteuid?.() === 0) chownSync(path, 65_534, 65_534)
  const { uid, gid } = statSync(path)
  symlinkSync('access.json', link)
  expect((await add('b', link)).status).toBe(0)
  expect(statSync(path)).toMatchObject({ uid, gid })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(JSON.parse(readFileSync(path, 'utf8')).tokens).toHaveLength(2)
  expect(readdirSync(folder).sort()).toEqual(['access.json', 'link.json'])
})

it('tokens that are added at the same time are all there', async () => {
  const path = join(temporaryDirectory(), 'access.json')
  const add = (id: string) =>
    runCli(['access', 'token', id, '--put', '*'], { environment: { MILLRACE_ACCESS_FILE: path } })
  const ids = ['a', 'b', 'c', 'd']
  const outcomes = await Promise.all(ids.map(add))
  expect(outcomes.map((it) => it.status)).toEqual([0, 0, 0, 0])
  const { tokens } = JSON.parse(readFileSync(path, 'utf8')) as { tokens: { id: string }[] }
  expect(tokens.map((it) => it.id).sort()).toEqual(ids)
})
