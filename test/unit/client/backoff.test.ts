import { expect, test } from 'vitest'
import { backoffMillis, closeText, retryAfterOf, stopError } from '../../../src/client/backoff.ts'
import { closeCodes, reconnects } from '../../../src/wire/close-codes.ts'

test.each([
  [0, 50],
  [1, 100],
  [3, 400],
  [6, 3200],
  [7, 5000],
  [1000, 5000],
])('attempt %i comes within %i ms, anywhere below', (attempt, ceiling) => {
  expect(backoffMillis(attempt, 0)).toBe(0)
  expect(backoffMillis(attempt, 0.5)).toBe(ceiling / 2)
  expect(backoffMillis(attempt, 0.999)).toBeLessThan(ceiling)
})

test('never before the broker wants it, nor after a minute and a half whatever it wants', () => {
  expect(backoffMillis(0, 0, 250)).toBe(250)
  expect(backoffMillis(3, 0.5, 250)).toBe(450)
  expect(backoffMillis(9, 1, 10 ** 9)).toBeLessThan(90_000)
})

test.each([
  ['SERVER_CLOSING retryAfterMs=250', 250],
  ['LIMIT_EXCEEDED retryAfterMs=50: too many', 50],
  ['SERVER_CLOSING', undefined],
  ['retryAfterMs=x', undefined],
  ['retryAfterMs=99999999999999', undefined],
])('the wait that %j asks for', (reason, millis) => {
  expect(retryAfterOf(reason)).toBe(millis)
})

test.each([
  [1000, 'ACCESS_DENIED'],
  [1002, 'PROTOCOL_VIOLATION'],
  [1008, 'ACCESS_DENIED'],
  [1009, 'PROTOCOL_VIOLATION'],
  [4500, 'PROTOCOL_VIOLATION'],
  [4501, 'UNSUPPORTED_VERSION'],
  [4503, 'ACCESS_DENIED'],
  [4599, 'ACCESS_DENIED'],
  [3000, 'PROTOCOL_VIOLATION'],
])('a close with %i is for good: %s', (code, errorCode) => {
  const error = stopError(code, 'why')
  expect(error?.code).toBe(errorCode)
  expect(error?.message).toContain(`${code} why`)
})

test('whatever heals does not stop, among all close codes that we know', () => {
  const codes = [1001, 1005, 1006, 1011, 1012, 1013, 4000, 4499]
  codes.push(...Object.values(closeCodes).map((it) => it.code))
  for (const code of codes) expect(stopError(code, '') === undefined).toBe(reconnects(code))
})

test.each([
  [4503, 'wrong origin', '4503 wrong origin'],
  [1006, 'connect ECONNREFUSED', 'connect ECONNREFUSED'],
  [1006, '', '1006'],
  [4504, 'HTTP 401 instead of a WebSocket', 'HTTP 401 instead of a WebSocket'],
])('a close with %i %j in words, without codes that nobody has sent', (code, reason, text) => {
  expect(closeText(code, reason)).toBe(text)
})

test('a handshake that was refused is told from a connection that was closed', () => {
  expect(stopError(4504, 'HTTP 401')?.message).toBe('the broker refused the connection: HTTP 401')
  expect(stopError(4504, '')?.message).toBe('the broker closed the connection: 4504')
})
