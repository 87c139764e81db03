import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ProcFile } from '../../../src/server/proc-file.ts'

it('reads a file as it is now, again and again', () => {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const path = join(dir, 'status')
  const file = new ProcFile(path)
  expect(() => file.read()).toThrow('ENOENT')
  writeFileSync(path, 'RssAnon: 100 kB\n')
  expect(file.read()).toBe('RssAnon: 100 kB\n')
  writeFileSync(path, 'RssAnon: 7 kB\n')
  expect(file.read()).toBe('RssAnon: 7 kB\n')
})
