// The rules of a broker that asks who its clients are.
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'

export const bearer = (token) => ({ authorization: `Bearer ${token}` })

// Writes the file; answers the token of each principal. `principals` are as the file has them.
export function writeAccessFile(path, principals) {
  const tokens = new Map(
    Object.keys(principals).map((id) => [id, `mrt_${id}_${randomBytes(32).toString('base64url')}`]),
  )
  const rows = [...tokens].map(([id, token]) => ({
    id,
    sha256: createHash('sha256').update(token).digest('hex'),
    principal: id,
  }))
  writeFileSync(path, JSON.stringify({ principals, tokens: rows }), { mode: 0o600 })
  return tokens
}
