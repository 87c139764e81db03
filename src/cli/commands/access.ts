/** `millrace access token`, `hash` and `check`. */

import { randomUUID } from 'node:crypto'
import { existsSync, type Stats } from 'node:fs'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { type Command, Option } from 'commander'
import { actions, type Action as StreamAction } from '../../broker/caller.ts'
import { MillraceError } from '../../errors.ts'
import { readAccessText } from '../../server/access/access-text.ts'
import { withToken } from '../access-edit.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { withFileLock } from '../file-lock.ts'
import { setExamples } from '../help.ts'
import { countsOf, countsText, readAccessFile } from '../protection.ts'

/** Only commands about access need what checks the file. */
const load = async () => ({
  ...(await import('../../server/access/access-file.ts')),
  ...(await import('../../server/access/permissions.ts')),
  ...(await import('../../server/access/static-token.ts')),
})

function pathOf(invocation: Invocation): string {
  const { accessFile } = invocation.config().values
  if (accessFile !== '') return accessFile
  throw new CliError('USAGE', 'no access file is set', {
    hint: 'Name one with --access-file FILE or MILLRACE_ACCESS_FILE=FILE; token makes it.',
  })
}

async function addToken(invocation: Invocation): Promise<undefined> {
  const { args, options, output } = invocation
  const id = args[0] as string
  const path = pathOf(invocation)
  const { parseAccessFile, newToken, tokenHash } = await load()
  const permissions = actions.flatMap((action) => {
    const streams = options[action] as string[] | undefined
    return streams === undefined ? [] : [{ actions: [action], streams }]
  })
  const token = newToken(id)
  const principal = (options['principal'] as string | undefined) ?? id
  const row = {
    id,
    sha256: tokenHash(token).toString('hex'),
    principal,
    expires: options['expires'] as string | undefined,
  }
  const target = existsSync(path) ? await realpath(path) : path
  // Of two that add a token at the same time the later one has to see what the earlier one added.
  await withFileLock(target, async () => {
    const before = existsSync(target) ? await readAccessText(target) : undefined
    if (before !== undefined) parseAccessFile(before, path)
    const after = withToken(before, row, permissions)
    checkTime(parseAccessFile(after, path).tokens.at(-1)?.expires)
    await replace(target, after)
  })
  output.show({ id, principal, token }, () => token)
  output.note('this token is shown once, and kept nowhere: put it where its user reads it')
  return undefined
}

/** A token whose time is over lets nobody in. */
function checkTime(expires: number | undefined): void {
  if (expires !== undefined && expires <= Date.now()) {
    const time = new Date(expires).toISOString()
    throw new MillraceError('INVALID_ARGUMENT', `--expires ${time} is over`)
  }
}

/** Whole or not at all: a broker may read it at any moment. */
async function replace(path: string, content: string): Promise<void> {
  const before = existsSync(path) ? await stat(path) : undefined
  const beside = `${path}.${randomUUID()}`
  try {
    await writeSynced(beside, content, before)
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** For the owner that it had, who is the user of the broker and not the root that writes it. */
async function writeSynced(path: string, content: string, before?: Stats): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    if (before !== undefined && before.uid !== process.geteuid?.()) {
      await file.chown(before.uid, before.gid)
    }
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function hash({ stdin, output }: Invocation): Promise<undefined> {
  const { tokenId, tokenHash } = await load()
  const token = (await text(stdin)).trim()
  const id = tokenId(token)
  if (id === undefined) {
    throw new CliError('USAGE', 'what came from the standard input is no token of Millrace', {
      hint: 'Make one with: millrace access token ID',
    })
  }
  const sha256 = tokenHash(token).toString('hex')
  output.show({ id, sha256 }, () => sha256)
  return undefined
}

async function check(invocation: Invocation) {
  const { options, output } = invocation
  const path = pathOf(invocation)
  const { Permissions } = await load()
  const rules = await readAccessFile(path)
  const { principal, stream } = options as { principal?: string; stream?: string }
  if ((principal === undefined) !== (stream === undefined)) {
    throw new CliError('USAGE', '--principal and --stream go together', {
      hint: 'Give both, or neither of them to check the file alone.',
    })
  }
  if (principal === undefined || stream === undefined) {
    output.show(countsOf(rules), () => `${path} is right: ${countsText(rules)}`)
    return undefined
  }
  const { principals } = rules
  const found = Object.hasOwn(principals, principal) ? principals[principal] : undefined
  if (found === undefined) {
    throw new MillraceError('INVALID_ARGUMENT', `${path} has no principal ${principal}`)
  }
  const rights = new Permissions(found.permissions).rightsOn(stream)
  const allowed: StreamAction[] = actions.filter((_, index) => (rights & (1 << index)) !== 0)
  output.show({ principal, stream, allowed }, () => `${allowed.join(' ') || 'nothing'}`)
  return allowed.length === 0 ? exitCodes.notAllowed : undefined
}

const names = (value: string) => value.split(',').filter((it) => it !== '')

export function addAccessCommands(program: Command, runner: Runner): void {
  const access = program.command('access').summary('who may connect, and do what')
  access.description('Make tokens for an access file, and check one.')
  access.helpOption('-h, --help', 'show this help').helpCommand(false)
  const file = '--access-file ./millrace-access.json'
  setExamples(access, [`millrace access token app --put orders ${file}`])
  defineCommand(access, runner, {
    usage: 'token <id>',
    summary: 'add a token to the access file',
    purpose:
      'Add a token to the access file, and print it once: the file has its hash.\n' +
      'A broker that is running takes it within a second.',
    examples: [`millrace access token app --put orders ${file}`],
    settings: ['accessFile'],
    options: [
      new Option('--principal <name>', 'whom it stands for (default: as the id)'),
      ...actions.map((it) =>
        new Option(`--${it} <streams>`, `what a new principal may ${it}: orders,log-*`).argParser(
          names,
        ),
      ),
      new Option('--expires <time>', 'as 2027-01-31T00:00:00Z'),
    ],
    action: addToken,
  })
  defineCommand(access, runner, {
    usage: 'hash',
    summary: 'the hash of a token from the standard input',
    purpose: 'Print the SHA-256 of a token, as the access file has it.',
    examples: ['millrace access hash < millrace.token'],
    action: hash,
  })
  defineCommand(access, runner, {
    usage: 'check',
    summary: 'check the access file',
    purpose: 'Check the access file, or print what a principal may do with a stream.',
    examples: [`millrace access check ${file}`, 'millrace access check --principal a --stream b'],
    settings: ['accessFile'],
    options: [
      new Option('--principal <name>', 'whose permissions to print'),
      new Option('--stream <name>', 'on which stream'),
    ],
    action: check,
  })
}
