// Bytes that are UTF-8 (RFC 3629), and bytes that are not, by what they are. Pure.

const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex')

export const VALID = [
  ['of nothing', Buffer.alloc(0)],
  ['of ASCII', Buffer.from('hello')],
  ['of a zero byte', hex('00')],
  ['of characters of two to four bytes', Buffer.from('é€𝄞')],
  ['of the last characters of each length', hex('7f dfbf efbfbf f48fbfbf')],
  ['with a byte order mark', hex('efbbbf 61')],
  ['of 70,000 bytes', Buffer.from('é'.repeat(35_000))],
]

export const INVALID = [
  ['a continuation alone', hex('80')],
  ['a lead alone', hex('c3')],
  ['a character that is cut', hex('61 e282')],
  ['a zero in two bytes', hex('c080')],
  ['a slash in two bytes', hex('c0af')],
  ['a slash in three bytes', hex('e080af')],
  ['a slash in four bytes', hex('f08080af')],
  ['the first surrogate', hex('eda080')],
  ['the last surrogate', hex('edbfbf')],
  ['above the last character', hex('f4908080')],
  ['five bytes', hex('f888808080')],
  ['FE', hex('fe')],
  ['FF', hex('ff')],
  ['at the end of 70,000 bytes', Buffer.concat([Buffer.alloc(70_000, 'a'), hex('ff')])],
]

// Over two fragments; whether the whole is UTF-8.
export const IN_TWO = [
  ['a character over two fragments', hex('61 e2'), hex('82ac'), true],
  ['a character that does not go on in the next fragment', hex('61 e2'), hex('61'), false],
  ['a second fragment that begins within a character', hex('61'), hex('82ac'), false],
]
