// The data of records that loads of others are told on a command line.
import { someBytes } from '../../micro/some-bytes.mjs'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** So many characters that do not repeat, safe in a command and in JSON. */
export function payload(bytes, seed = 1) {
  return Array.from(someBytes(bytes, seed), (byte) => letters[byte % letters.length]).join('')
}
