/** `millrace stream encrypt|decrypt`. */

import type { Command } from 'commander'
import { withClient } from '../broker-client.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError } from '../exit-codes.ts'
import { CliOption } from '../help.ts'
import { whenActive } from '../wait-active.ts'

async function encrypt(invocation: Invocation): Promise<undefined> {
  const { args, options, output, signal } = invocation
  const streamName = args[0] as string
  const keyId = options['key'] as string | undefined
  if (keyId === undefined) {
    throw new CliError('USAGE', 'no key is given, wanted --key ID', {
      hint: 'Make one with: millrace key new ID --key-file FILE',
    })
  }
  await withClient(invocation, async (client) => {
    const { keyId: before } = await client.describeStreamSummary(streamName)
    await client.startStreamEncryption(streamName, keyId)
    await whenActive(() => client.describeStreamSummary(streamName), signal)
    output.show({ streamName, encryptionType: 'KMS', keyId }, () => [
      `records of ${streamName} are encrypted from now on, with key ${keyId}`,
      ...(before === undefined || before === keyId ? [] : [keepText(before)]),
    ])
  })
}

function keepText(keyId: string): string {
  return `keep key ${keyId} until the last record that has it has expired`
}

async function decrypt(invocation: Invocation): Promise<undefined> {
  const { args, output, signal } = invocation
  const streamName = args[0] as string
  await withClient(invocation, async (client) => {
    const { keyId } = await client.describeStreamSummary(streamName)
    if (keyId !== undefined) await client.stopStreamEncryption(streamName, keyId)
    await whenActive(() => client.describeStreamSummary(streamName), signal)
    output.show({ streamName, encryptionType: 'NONE' }, () =>
      keyId === undefined
        ? `${streamName} is not encrypted`
        : [`records of ${streamName} are not encrypted from now on`, keepText(keyId)],
    )
  })
}

export function addStreamEncryption(stream: Command, runner: Runner): void {
  const settings = ['url', 'tokenFile']
  defineCommand(stream, runner, {
    usage: 'encrypt <stream>',
    summary: 'encrypt records on disk',
    purpose:
      'Encrypt the records of a stream on disk from now on, with a key of the key file\n' +
      'of the broker. With another key it goes on with that one; what is there stays as\n' +
      'it is, and is read while its key is in the file.',
    examples: ['millrace stream encrypt orders --key 2026-11'],
    settings,
    options: [new CliOption('--key <id>', 'key of the key file')],
    action: encrypt,
  })
  defineCommand(stream, runner, {
    usage: 'decrypt <stream>',
    summary: 'encrypt records no more',
    purpose:
      'Encrypt no more records of a stream. Those that are encrypted stay so, and are\n' +
      'read while their key is in the key file of the broker.',
    examples: ['millrace stream decrypt orders'],
    settings,
    action: decrypt,
  })
}
