/** Operations that say with which key the records of a stream are encrypted on disk. */

import { keyIdCharactersMax } from '../limits.ts'
import { text, word } from './fields.ts'
import { operation } from './operation.ts'
import { streamName } from './structures.ts'

/** By the names of Kinesis: KMS stands for a key of the key file. */
export const encryptionTypes = ['NONE', 'KMS'] as const

export const keyIdPattern: RegExp = /^[a-zA-Z0-9_.-]+$/

/** The id of a key of the key file. */
export const keyId = text({
  max: keyIdCharactersMax,
  pattern: keyIdPattern,
  patternText: 'letters, digits, _ . and -',
})

const request = { streamName, encryptionType: word(['KMS']), keyId }

export const startStreamEncryption = operation(0x2e, 'StartStreamEncryption', request, {})

export const stopStreamEncryption = operation(0x2f, 'StopStreamEncryption', request, {})
