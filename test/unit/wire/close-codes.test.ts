import { describe, expect, it } from 'vitest'
import { closeCodes, closeReason, reconnects } from '../../../src/wire/close-codes.ts'

const bytesMax = 123

describe('codes of closes', () => {
  it('say by their range whether to connect again', () => {
    for (let code = 4000; code < 5000; code += 1) expect(reconnects(code)).toBe(code < 4500)
    expect([1001, 1005, 1006, 1011, 1012, 1013, 1014].every(reconnects)).toBe(true)
    const not = [0, 1000, 1002, 1003, 1004, 1007, 1008, 1009, 1010, 1015, 3000, 3999, 5000, NaN]
    expect(not.some(reconnects)).toBe(false)
  })

  it('have a code and a name of their own each, that may be sent', () => {
    const all = Object.values(closeCodes)
    expect(new Set(all.map((it) => it.code)).size).toBe(all.length)
    for (const { code, name } of all) {
      expect(name).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
      expect(code === 1000 || code === 1011 || code === 1012 || code >= 4000).toBe(true)
    }
  })
})

describe('a reason', () => {
  it('has a name, a delay and a text', () => {
    expect(closeReason(closeCodes.normal)).toBe('NORMAL')
    expect(closeReason(closeCodes.restart, { retryAfterMs: 250 })).toBe(
      'SERVER_CLOSING retryAfterMs=250',
    )
    const details = { retryAfterMs: 1, text: 'why' }
    expect(closeReason(closeCodes.tooMany, details)).toBe('LIMIT_EXCEEDED retryAfterMs=1: why')
  })

  it('fits, and is cut between characters', () => {
    for (const text of ['x'.repeat(500), 'é'.repeat(200), `a${'😀'.repeat(100)}`]) {
      const reason = closeReason(closeCodes.protocolViolation, { text })
      expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(bytesMax)
      expect(Buffer.byteLength(reason)).toBeGreaterThan(bytesMax - 4)
      expect(`PROTOCOL_VIOLATION: ${text}`.startsWith(reason)).toBe(true)
    }
  })
})
