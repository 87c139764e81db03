import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ProcFile } from '../../../src/server/proc-file.ts'

function pathOfFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return join(dir, 'status')
}

it('reads a file as it is now, again and again', () => {
  const path = pathOfFile()
  const file = new ProcFile(path)
  expect(() => file.read()).toThrow('ENOENT')
  writeFileSync(path, 'RssAnon: 100 kB\n')
  expect(file.read()).toBe('RssAnon: 100 kB\n')
  writeFileSync(path, 'RssAnon: 7 kB\n')
  expect(file.read()).toBe('RssAnon: 7 kB\n')
})

it.each([8191, 8192, 8193, 100_000])('reads all of a file, of %i bytes, too', (bytes) => {
  const path = pathOfFile()
  const file = new ProcFile(path)
  const text = `${'Groups: 1000 '.repeat(bytes).slice(0, bytes - 4)}end\n`
  writeFileSync(path, text)
  expect(file.read()).toBe(text)
  writeFileSync(path, 'RssAnon: 7 kB\n')
  expect(file.read()).toBe('RssAnon: 7 kB\n')
})
