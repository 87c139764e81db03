/** The version of this package, from its package.json. */

import { createRequire } from 'node:module'

export function packageVersion(): string {
  // From src/cli and from dist/cli alike.
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string }
  return manifest.version
}
