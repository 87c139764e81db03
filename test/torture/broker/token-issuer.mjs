// An issuer of JSON Web Tokens, which knows nothing of the library that the broker checks them with.
import { generateKeyPairSync, sign } from 'node:crypto'

const ISSUER = 'https://issuer.example'
const AUDIENCE = 'millrace'
const KID = 'torture'
const LIFE_SECONDS = 3600

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

export class TokenIssuer {
  #keys = generateKeyPairSync('ed25519')

  // What an access file says of it.
  get rules() {
    const { kty, crv, x } = this.#keys.publicKey.export({ format: 'jwk' })
    const keys = [{ kid: KID, algorithm: 'EdDSA', publicKey: { kty, crv, x } }]
    return { issuer: ISSUER, audience: AUDIENCE, keys }
  }

  // `header` and `claims` are what differs from those of a token that is right; `bySecondsAgo` makes
  // it that much older.
  token(principal, { header = {}, claims = {}, bySecondsAgo = 0 } = {}) {
    const iat = Math.floor(Date.now() / 1000) - bySecondsAgo
    const known = { iss: ISSUER, aud: AUDIENCE, sub: principal, iat, exp: iat + LIFE_SECONDS }
    const text = [
      { alg: 'EdDSA', kid: KID, ...header },
      { ...known, ...claims },
    ]
      .map(part)
      .join('.')
    return `${text}.${sign(null, Buffer.from(text), this.#keys.privateKey).toString('base64url')}`
  }
}
