// The matrix of T-A1 leaves no operation out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { operationsByOpcode } from '../../../dist/wire/operations.js'
import { AUTHENTICATE, OPERATIONS, UNBOUND } from './access-matrix.mjs'

test('the matrix of permissions has every operation', () => {
  const opcodes = [...OPERATIONS, ...UNBOUND].map(([opcode]) => opcode)
  assert.deepEqual(new Set([...opcodes, AUTHENTICATE]), new Set(operationsByOpcode.keys()))
})
