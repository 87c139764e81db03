import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { binaryPath, inspectBinary } from '../../../src/server/uws-binary.ts'

it('knows the binary that this process loads', () => {
  expect(inspectBinary()).toMatchObject({ file: binaryPath(), isKnown: true })
})

it('does not know another one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'uws.node')
  writeFileSync(path, 'another')
  expect(inspectBinary(path)).toMatchObject({ file: path, isKnown: false })
})
