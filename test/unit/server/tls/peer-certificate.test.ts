import { describe, expect, it } from 'vitest'
import { certificateNames, peerNames } from '../../../../src/server/tls/peer-certificate.ts'

const fingerprint256 = 'AB:CD'

describe('the names of a certificate', () => {
  it.each([
    ['DNS:a.example', ['DNS:a.example']],
    [
      'DNS:a.example, URI:spiffe://x/y, IP Address:127.0.0.1',
      ['DNS:a.example', 'URI:spiffe://x/y', 'IP Address:127.0.0.1'],
    ],
    [undefined, []],
    ['', []],
    // One name that would read like two, if it were not quoted.
    ['URI:"spiffe://x, DNS:admin.example"', []],
    ['DNS:"a, DNS:admin.example", DNS:b.example', ['DNS:b.example']],
    ['DNS:"a\\", DNS:admin.example"', []],
  ])('of %j are %j', (subjectaltname, names) => {
    const found = certificateNames({
      fingerprint256,
      ...(subjectaltname === undefined ? {} : { subjectaltname }),
    })
    expect(found).toEqual(['SHA256:AB:CD', ...names])
  })

  it('have the common name, where there is one', () => {
    expect(certificateNames({ fingerprint256, subject: { CN: 'a' } })).toContain('CN:a')
    expect(certificateNames({ fingerprint256, subject: { CN: ['a', 'b'] } })).toEqual([
      'SHA256:AB:CD',
    ])
  })

  it('are none without a certificate', () => {
    expect(certificateNames({ subject: { CN: 'a' }, subjectaltname: 'DNS:a' })).toEqual([])
  })

  it('are none where the client is gone, or was not trusted', () => {
    const gone = { authorized: true, getPeerCertificate: () => null as never }
    expect(peerNames(gone)).toEqual([])
    const shown = { fingerprint256 } as never
    expect(peerNames({ authorized: false, getPeerCertificate: () => shown })).toEqual([])
    expect(peerNames({ authorized: true, getPeerCertificate: () => shown })).toEqual([
      'SHA256:AB:CD',
    ])
  })
})
