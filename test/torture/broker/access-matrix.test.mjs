import { expect, it } from 'vitest'
import { operationsByOpcode } from '../../../src/wire/operations.ts'
import { AUTHENTICATE, OPERATIONS, UNBOUND } from './access-matrix.mjs'

it('the matrix of permissions has every operation', () => {
  const opcodes = [...OPERATIONS, ...UNBOUND].map(([opcode]) => opcode)
  expect(new Set([...opcodes, AUTHENTICATE])).toEqual(new Set(operationsByOpcode.keys()))
})
