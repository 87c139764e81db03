import { expect, it } from 'vitest'
import { programName } from '../../../src/cli/program-name.ts'

it.each([
  ['file:///shop/node_modules/millrace/dist/cli/program-name.js', '/shop', 'npx millrace'],
  ['file:///millrace/dist/cli/program-name.js', '/millrace', 'node dist/cli/main.js'],
  ['file:///millrace/dist/cli/program-name.js', '/other', 'node /millrace/dist/cli/main.js'],
])('%s, in %s, is called as %s', (url, folder, name) => {
  expect(programName(url, folder)).toBe(name)
})
