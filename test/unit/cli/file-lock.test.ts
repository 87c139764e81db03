import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import { withFileLock } from '../../../src/cli/file-lock.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
afterAll(() => rmSync(dir, { recursive: true }))

it('one at a time reads and writes, and none of them loses what another wrote', async () => {
  const path = join(dir, 'count')
  writeFileSync(path, '0')
  const add = () =>
    withFileLock(path, async () => {
      const before = Number(readFileSync(path, 'utf8'))
      await turn()
      writeFileSync(path, String(before + 1))
    })
  await Promise.all(Array.from({ length: 20 }, add))
  expect(readFileSync(path, 'utf8')).toBe('20')
  expect(existsSync(`${path}.lock`)).toBe(false)
})

it('is let go of by work that fails', async () => {
  const path = join(dir, 'failing')
  await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withFileLock(path, async () => 'done')).toBe('done')
})

it('that somebody holds is told of, with what to do', async () => {
  const path = join(dir, 'held')
  writeFileSync(`${path}.lock`, String(process.pid))
  let ran = false
  const work = async () => {
    ran = true
  }
  await expect(withFileLock(path, work, 50)).rejects.toMatchObject({
    code: 'ACCESS_FILE_REFUSED',
    message: expect.stringMatching(/by process \d+; .*, remove .*held\.lock$/),
  })
  expect([ran, readFileSync(`${path}.lock`, 'utf8')]).toEqual([false, String(process.pid)])
  await expect(withFileLock(join(dir, 'none', 'x'), work)).rejects.toMatchObject({
    code: 'ACCESS_FILE_REFUSED',
    message: expect.stringContaining('ENOENT'),
  })
})

it('that was left by a process which is gone is told as such', async () => {
  const path = join(dir, 'left')
  const { pid = 0 } = spawnSync(process.execPath, ['--version'])
  writeFileSync(`${path}.lock`, String(pid))
  await expect(withFileLock(path, async () => 'done', 50)).rejects.toMatchObject({
    code: 'ACCESS_FILE_REFUSED',
    message: expect.stringMatching(/process \d+, which is gone; remove .*left\.lock$/),
  })
})
