import { expect, test } from 'vitest'
import { checkTags } from '../../../src/stream/tags.ts'

const check = (key: string, value = '', what: 'add' | 'remove' = 'add') =>
  checkTags('s', [{ key, value }], what)

test('letters of any script, digits, spaces and some signs are fine', () => {
  for (const text of ['Ünïcödé', '日本', 'a b', '0_.:/=+-@', '\u00a0']) check(text, text)
  check('k', '')
})

test.each([';', ',', '\t', '\n', '\u0000'])('%j is said to be invalid', (sign) => {
  const text =
    'Some tags contain invalid characters. Valid characters: ' +
    'Unicode letters, digits, white space, _ . / = + - % @.'
  expect(() => check(`a${sign}`)).toThrow(text)
  expect(() => check('a', sign)).toThrow(text)
  expect(() => check(`a${sign}`, '', 'remove')).toThrow(text)
})

test('% and other signs are said to be illegal, for what is done', () => {
  expect(() => check('a%')).toThrow(
    /^Failed to add tags to stream s because some tags contained illegal/,
  )
  expect(() => check('a', '!')).toThrow(/^Failed to add tags to stream s because/)
  expect(() => check('a%', '', 'remove')).toThrow(/^Failed to remove tags from stream s because/)
})

test('reserved keys and keys that are there twice are refused', () => {
  expect(() => check('aws:x')).toThrow('The tag key aws:x is reserved: no key begins with aws:.')
  expect(() => check('AWS:x')).toThrow('reserved')
  check('aws:x', '', 'remove')
  const twice = [
    { key: 'k', value: '1' },
    { key: 'k', value: '2' },
  ]
  expect(() => checkTags('s', twice, 'add')).toThrow('The tag key k is given twice.')
})
