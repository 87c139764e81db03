import { expect, it } from 'vitest'
import { resolveConfig } from '../../../src/cli/config.ts'
import { configurationHash } from '../../../src/cli/configuration-hash.ts'

const hashOf = (environment: Record<string, string>) =>
  configurationHash(resolveConfig({ flags: {}, environment }))

it('a configuration has a hash that changes with its values, and with no secret', () => {
  expect(hashOf({})).toMatch(/^[0-9a-f]{12}$/)
  expect(hashOf({ MILLRACE_LOG_LEVEL: 'info' })).toBe(hashOf({}))
  expect(hashOf({ MILLRACE_LOG_LEVEL: 'debug' })).not.toBe(hashOf({}))
  const withPassword = (password: string) => hashOf({ MILLRACE_URL: `ws://a:${password}@b/` })
  expect(withPassword('one')).toBe(withPassword('two'))
})
