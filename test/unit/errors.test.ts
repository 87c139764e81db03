import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { errorTable, MillraceError } from '../../src/errors.ts'

/** The codes that the core can raise, from the table of names in its source. */
function nativeCodes(): string[] {
  const path = fileURLToPath(new URL('../../native/base/status.cc', import.meta.url))
  const table = /kCodeNames\[\] = \{([^}]*)\}/.exec(readFileSync(path, 'utf8'))?.[1] ?? ''
  return Array.from(table.matchAll(/"([A-Z_]+)"/g), (match) => match[1] ?? '')
}

describe('the table of errors', () => {
  it('has a row for every code of the core', () => {
    const codes = nativeCodes()
    expect(codes[0]).toBe('OK')
    expect(codes.length).toBeGreaterThan(15)
    expect(Object.keys(errorTable)).toEqual(expect.arrayContaining(codes.slice(1)))
  })

  it('says of each code what happened and what to do', () => {
    for (const [code, row] of Object.entries(errorTable)) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
      expect(row.message, code).toMatch(/^[a-z].*[^.]$/)
      expect(row.hint, code).toMatch(/^[A-Z].*\.$/)
    }
  })

  it('allows a retry exactly where waiting or reopening can heal', () => {
    const retryable = Object.entries(errorTable).filter(([, row]) => row.retryable)
    expect(retryable.map(([code]) => code).sort()).toEqual([
      'CONNECTION_LOST',
      'CONSUMER_IN_USE',
      'DISK_FULL',
      'INTERNAL',
      'LIMIT_EXCEEDED',
      'LOG_FAILED',
      'SERVER_CLOSING',
      'STREAM_IN_USE',
      'THROUGHPUT_EXCEEDED',
    ])
  })
})

describe('MillraceError', () => {
  it('takes message, retryable and hint from the table', () => {
    const error = new MillraceError('LOG_CLOSED')
    expect(error).toBeInstanceOf(Error)
    expect(error.message).toBe('the log is closed')
    expect(error.retryable).toBe(false)
    expect(error.hint).toBe('Open it again.')
    expect('range' in error).toBe(false)
    expect('retryAfterMs' in error).toBe(false)
    expect('cause' in error).toBe(false)
  })

  it('carries the message, range, delay and cause of the place that failed', () => {
    const cause = new Error('EIO')
    const range = { start: 4096n, end: 2n ** 63n }
    const error = new MillraceError('LOG_CORRUPT', 'shard 7: damaged', {
      range,
      retryAfterMs: 250,
      cause,
    })
    expect(error).toMatchObject({ code: 'LOG_CORRUPT', message: 'shard 7: damaged', range })
    expect(error.retryAfterMs).toBe(250)
    expect(error.cause).toBe(cause)
  })

  it('shows its name in a stack trace and not among its own properties', () => {
    const error = new MillraceError('INTERNAL', 'lost')
    expect(error.stack).toMatch(/^MillraceError: lost\n/)
    expect(Object.keys(error)).toEqual(['code', 'retryable', 'hint'])
  })
})
