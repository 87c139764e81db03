import { describe, expect, it } from 'vitest'
import {
  type AdmissionRules,
  hostRefusal,
  isLoopbackAddress,
  negotiate,
  originRefusal,
  unsafeBindReason,
} from '../../../src/server/admission.ts'

const rules: AdmissionRules = {
  host: '127.0.0.1',
  allowedOrigins: ['https://app.example.org'],
  allowedHosts: ['broker.internal'],
}

describe('the address that is listened on', () => {
  it.each(['127.0.0.1', '127.9.8.7', '::1', '0:0:0:0:0:0:0:1', 'localhost', '::ffff:127.0.0.1'])(
    '%s is safe',
    (host) => {
      expect(unsafeBindReason(host, {})).toBeUndefined()
    },
  )

  it.each([
    '0.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '192.168.1.7',
    'broker.internal',
    '127.0.0.1.org',
    '',
  ])('%j is refused, and both switches are named', (host) => {
    const reason = unsafeBindReason(host, {})
    expect(reason).toContain(JSON.stringify(host))
    expect(reason).toContain('--insecure-no-auth --insecure-no-tls')
    expect(reason).toContain('127.0.0.1')
  })

  it('needs both switches', () => {
    const host = '0.0.0.0'
    expect(unsafeBindReason(host, { insecureNoAuth: true })).toMatch(/with --insecure-no-tls$/)
    expect(unsafeBindReason(host, { insecureNoTls: true })).toMatch(/with --insecure-no-auth$/)
    expect(unsafeBindReason(host, { insecureNoAuth: true, insecureNoTls: true })).toBeUndefined()
  })

  it('needs authentication and TLS, or a switch for what is missing', () => {
    const host = '0.0.0.0'
    const safe = { isAuthenticated: true, isEncrypted: true }
    expect(unsafeBindReason(host, safe)).toBeUndefined()
    expect(unsafeBindReason(host, { isAuthenticated: true })).toMatch(
      /without TLS; .* with --insecure-no-tls$/,
    )
    expect(unsafeBindReason(host, { isEncrypted: true })).toMatch(
      /without authentication; .* with --insecure-no-auth$/,
    )
    expect(unsafeBindReason(host, { isEncrypted: true, insecureNoAuth: true })).toBeUndefined()
    expect(unsafeBindReason(host, { isEncrypted: true, insecureNoTls: true })).toBeDefined()
  })
})

it.each([
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['0000:0000:0000:0000:0000:0000:0000:0001', true],
  ['0000:0000:0000:0000:0000:ffff:7f00:0001', true],
  ['::FFFF:127.0.0.1', true],
  ['127.0.0.256', false],
  ['127.1', false],
  ['127.0.0.1.example.org', false],
  ['126.255.255.255', false],
  ['128.0.0.1', false],
  ['::', false],
  ['::1%lo', false],
  ['0000:0000:0000:0000:0000:0000:0000:0002', false],
  ['0000:0000:0000:0000:0000:ffff:c000:0207', false],
  ['::127.0.0.1', false],
  ['fe80::1', false],
  ['localhost', false],
  ['', false],
])('the address %s is of loopback: %s', (address, isLoopback) => {
  expect(isLoopbackAddress(address)).toBe(isLoopback)
})

describe('the Host header', () => {
  it.each([
    '127.0.0.1:4570',
    '127.0.0.1',
    'localhost:4570',
    'LOCALHOST',
    '[::1]:4570',
    'broker.internal:80',
  ])('%s is let in', (host) => {
    expect(hostRefusal(rules, host)).toBeUndefined()
  })

  it.each([
    '',
    'evil.example',
    'evil-localhost.com',
    'localhost.evil.com',
    '127.0.0.1.evil.com',
    'localhost@evil.com',
    'user:pw@localhost',
    'broker.internal.',
    '192.168.0.1:4570',
    '[::2]:4570',
    'localhost:4570:1',
    'localhost /',
  ])('%j is refused', (host) => {
    expect(hostRefusal(rules, host)).toMatch(/Host header/)
  })

  const exposed = { ...rules, host: 'data.example.org' }

  it.each(['data.example.org:4570', '192.0.2.7:4570', '[2001:db8::1]:4570', 'broker.internal'])(
    '%s is let in where the broker is meant to be reached by others',
    (host) => {
      expect(hostRefusal(exposed, host)).toBeUndefined()
    },
  )

  it.each(['', 'evil.example', 'data.example.org.evil.example', '192.0.2.7.evil.example', '1.2.3'])(
    '%j is refused there, too: a page could have it resolve to the broker',
    (host) => {
      expect(hostRefusal(exposed, host)).toMatch(/--allowed-hosts/)
    },
  )
})

describe('the Origin header', () => {
  const own = '127.0.0.1:4570'

  it.each(['', 'https://app.example.org', 'http://127.0.0.1:4570', 'https://127.0.0.1:4570'])(
    '%j is let in',
    (origin) => {
      expect(originRefusal(rules, origin, own)).toBeUndefined()
    },
  )

  it.each([
    'null',
    'http://evil.example',
    'https://app.example.org:8443',
    'http://app.example.org',
    'https://APP.example.org',
    'http://evil-localhost.com',
    'http://localhost.evil.com',
    'http://localhost@evil.com',
    'file://localhost',
    'chrome-extension://abcdef',
    'http://xn--lcalhost-dfa.com',
    'http://localhost/',
    'http://',
    'http://127.0.0.1:4570/',
    'ws://127.0.0.1:4570',
    'http://127.0.0.1:45701',
  ])('%s is refused', (origin) => {
    expect(originRefusal(rules, origin, own)).toMatch(/origin/)
    expect(originRefusal(rules, origin, '')).toMatch(/origin/)
  })

  it.each(['http://localhost:5173', 'http://localhost:4570', 'http://127.0.0.1', 'https://[::1]'])(
    'of another page of this machine, %s, is refused until it is named',
    (origin) => {
      expect(originRefusal(rules, origin, own)).toMatch(/--allowed-origins/)
      expect(originRefusal({ ...rules, allowedOrigins: [origin] }, origin, own)).toBeUndefined()
    },
  )

  it('of its own, but without TLS, is none of a broker with TLS', () => {
    const encrypted = { ...rules, isEncrypted: true }
    expect(originRefusal(encrypted, `https://${own}`, own)).toBeUndefined()
    expect(originRefusal(encrypted, `http://${own}`, own)).toMatch(/--allowed-origins/)
    expect(originRefusal(rules, `http://${own}`, own)).toBeUndefined()
  })
})

describe('the subprotocol', () => {
  it.each([
    ['millrace.v1', 'millrace.v1', true],
    ['millrace.v2, millrace.v1', 'millrace.v1', true],
    ['millrace.v2,mqtt', 'millrace.v2', false],
    ['MILLRACE.V1', 'MILLRACE.V1', false],
    ['', '', false],
  ])('of %j is %j', (header, subprotocol, isSpoken) => {
    expect(negotiate(header)).toEqual({ subprotocol, isSpoken })
  })
})
