/** The key file: what it may hold, who may read it, and that no error repeats a key. */

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keyLine, parseKeyFile, readKeyFile } from '../../../src/broker/key-file.ts'
import { MillraceError } from '../../../src/errors.ts'
import { failure, temporaryDirectory } from './harness.ts'

const bytes = Uint8Array.from({ length: 32 }, (_, i) => 200 + i)
const secret = Buffer.from(bytes).toString('base64')

function refusal(text: string): MillraceError {
  try {
    parseKeyFile(text, 'the file')
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  throw new Error('the file was taken')
}

test('keys are lines, with comments and blank lines between them', () => {
  const text = `# keys\n\n  a.B-1_  ${secret} \r\n# b x\nb\t${secret}`
  expect(parseKeyFile(text, 'the file')).toEqual([
    { id: 'a.B-1_', bytes: Buffer.from(bytes) },
    { id: 'b', bytes: Buffer.from(bytes) },
  ])
  expect(parseKeyFile('', 'the file')).toEqual([])
})

test('a key that is written is read again', () => {
  const key = { id: 'k', bytes: Buffer.from(bytes) }
  expect(parseKeyFile(keyLine(key), 'the file')).toEqual([key])
})

test.each([
  ['one word', 'k1', /wanted ID BASE64/],
  ['three words', `k1 ${secret} x`, /3 words/],
  ['an id with other characters', `k/1 ${secret}`, /the id is not/],
  ['an id that is too long', `${'k'.repeat(65)} ${secret}`, /the id is not/],
  ['31 bytes', `k1 ${Buffer.from(bytes.subarray(1)).toString('base64')}`, /32 bytes in base64/],
  ['33 bytes', `k1 ${Buffer.from([1, ...bytes]).toString('base64')}`, /32 bytes in base64/],
  ['hexadecimal', `k1 ${Buffer.from(bytes).toString('hex')}`, /32 bytes in base64/],
  ['the same id twice', `k1 ${secret}\n# x\nk1 ${secret}`, /line 4: the id k1/],
])('%s is refused with the number of its line', (_, line, reason) => {
  const error = refusal(`# first line\n${line}\n`)
  expect(error.code).toBe('KEY_FILE_REFUSED')
  expect(error.message).toMatch(reason)
  expect(error.message).toMatch(/^the file, line [24]: /)
  expect(error.message).not.toContain(secret.slice(0, 8))
  expect(error.message).not.toContain(Buffer.from(bytes).toString('hex').slice(0, 8))
})

test('a file that others may read or write is refused', async () => {
  const path = join(temporaryDirectory(), 'keys')
  writeFileSync(path, `k1 ${secret}\n`)
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o666]) {
    chmodSync(path, mode)
    const error = await failure(readKeyFile(path))
    expect(error).toMatchObject({ code: 'KEY_FILE_REFUSED' })
    expect(error.message).toContain(`mode 0${mode.toString(8)}`)
    expect(error.message).toContain(`chmod 600 ${path}`)
  }
  for (const mode of [0o600, 0o400]) {
    chmodSync(path, mode)
    expect(await readKeyFile(path)).toHaveLength(1)
  }
})

test('a file that is missing, and one that is no file, are refused', async () => {
  const directory = temporaryDirectory()
  const missing = await failure(readKeyFile(join(directory, 'keys')))
  expect(missing).toMatchObject({ code: 'KEY_FILE_REFUSED' })
  expect(missing.message).toContain('ENOENT')
  chmodSync(directory, 0o700)
  expect(await failure(readKeyFile(directory))).toMatchObject({ code: 'KEY_FILE_REFUSED' })
})
