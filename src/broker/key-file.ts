/**
 * The key file: a line for each key, its id and the 32 bytes of it in base64; lines that are empty
 * or begin with # say nothing. No message of an error has anything of a line but its number.
 */

import { MillraceError } from '../errors.ts'
import { keyIdCharactersMax } from '../limits.ts'
import { type MasterKey, masterKeyBytes } from '../log/encryption.ts'
import { keyIdPattern } from '../wire/encryption-operations.ts'
import { readPrivateText } from './private-file.ts'

const base64Pattern = /^[A-Za-z0-9+/]{43}=$/

/** Throws a MillraceError, KEY_FILE_REFUSED. `path` is for its message. Pure. */
export function parseKeyFile(text: string, path: string): MasterKey[] {
  const keys = new Map<string, MasterKey>()
  text.split('\n').forEach((line, index) => {
    const words = line.trim().split(/\s+/)
    const [id = '', secret = ''] = words
    if (id === '' || id.startsWith('#')) return
    const wrong = (what: string) => refuse(`${path}, line ${index + 1}: ${what}`)
    if (words.length !== 2) wrong(`it has ${words.length} words, wanted ID BASE64`)
    if (!isKeyId(id)) {
      wrong(`the id is not 1 to ${keyIdCharactersMax} letters, digits, _ . and -`)
    }
    if (!base64Pattern.test(secret)) {
      wrong(`the key is not ${masterKeyBytes} bytes in base64 (44 characters)`)
    }
    if (keys.has(id)) wrong(`the id ${id} stands in a line before it, too`)
    keys.set(id, { id, bytes: Buffer.from(secret, 'base64') })
  })
  return [...keys.values()]
}

export function isKeyId(text: string): boolean {
  return text.length <= keyIdCharactersMax && keyIdPattern.test(text)
}

/** The line of a key, with its end. */
export function keyLine({ id, bytes }: MasterKey): string {
  return `${id} ${Buffer.from(bytes).toString('base64')}\n`
}

/**
 * Rejects with a MillraceError, KEY_FILE_REFUSED: it is not there or cannot be read, others than
 * its owner may read it, or a line of it is wrong.
 */
export async function readKeyFile(path: string): Promise<MasterKey[]> {
  return parseKeyFile(await readPrivateText(path, 'KEY_FILE_REFUSED', 'key file'), path)
}

function refuse(text: string): never {
  throw new MillraceError('KEY_FILE_REFUSED', text)
}
