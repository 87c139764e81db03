/**
 * What Node.js is told wherever the broker is tested: no code is made from text, and nothing has a
 * `__proto__` to be set. Tests of what a user has by default start without it.
 */

export const hardened: readonly string[] = [
  '--disallow-code-generation-from-strings',
  '--disable-proto=delete',
]
