/** `millrace key new`. */

import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import { isKeyId, keyLine, readKeyFile } from '../../broker/key-file.ts'
import { keyIdCharactersMax } from '../../limits.ts'
import { masterKeyBytes } from '../../log/encryption.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { setExamples } from '../help.ts'

async function create(invocation: Invocation): Promise<undefined> {
  const { args, output } = invocation
  const id = args[0] as string
  const { keyFile } = invocation.config().values
  if (keyFile === '') {
    throw new CliError('USAGE', 'no key file is set', {
      hint: 'Name one with --key-file FILE or MILLRACE_KEY_FILE=FILE; it is made if it is missing.',
    })
  }
  if (!isKeyId(id)) {
    const wanted = `1 to ${keyIdCharactersMax} letters, digits, _ . and -`
    throw new CliError('USAGE', `the id of the key is "${id}", wanted ${wanted}`)
  }
  await addKey(keyFile, id)
  output.show({ keyId: id, keyFile }, () => [
    `added key ${id} to ${keyFile}`,
    'keep a copy in another place: without it, what it encrypts is lost',
  ])
}

/** Appends alone, so that nothing that happens on the way harms the keys that are there. */
async function addKey(path: string, id: string): Promise<void> {
  const file = await open(path, 'a', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw new CliError('CONFIGURATION_INVALID', `${path} cannot be written: ${cause.code}`, {
      hint: 'Name another file with --key-file FILE.',
      cause,
    })
  })
  try {
    const keys = await readKeyFile(path)
    if (keys.some((it) => it.id === id)) {
      throw new CliError('USAGE', `${path} has a key ${id}`, {
        hint: 'Choose another id: what the key encrypts is known by its id.',
      })
    }
    await file.write(keyLine({ id, bytes: randomBytes(masterKeyBytes) }))
    await file.sync()
  } finally {
    await file.close()
  }
}

export function addKeyCommands(program: Command, runner: Runner): void {
  const key = program.command('key').summary('keys of encrypted streams')
  key.description('Make keys with which the records of streams are encrypted on disk.')
  key.helpOption('-h, --help', 'show this help').helpCommand(false)
  setExamples(key, ['millrace key new 2026-11 --key-file ./millrace.keys'])
  defineCommand(key, runner, {
    usage: 'new <id>',
    summary: 'add a key to the key file',
    purpose:
      'Add a random key of 256 bits to the key file; the file is made if it is missing.\n' +
      'A broker that is running reads it at SIGHUP, and when a stream is encrypted.',
    examples: ['millrace key new 2026-11 --key-file ./millrace.keys'],
    settings: ['keyFile'],
    action: create,
  })
}
