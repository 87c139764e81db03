/** `millrace explain CODE`: what a code of an error, of a close or of an exit means. */

import type { Command } from 'commander'
import { type ErrorCode, errorTable } from '../../errors.ts'
import { closeCodes, reconnects } from '../../wire/close-codes.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { nearest } from '../did-you-mean.ts'
import { CliError, cliErrorTable, exitCodeOf, exitCodes } from '../exit-codes.ts'
import { table } from '../output.ts'

/** A code with a paragraph about it. */
interface Explanation {
  readonly kind: 'error' | 'close code' | 'exit code'
  readonly code: string
  readonly text: readonly string[]
}

const reservedClose = 'the connection ended without a close frame: it was lost, or a message was'

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

function explainError(code: ErrorCode): Explanation {
  const { message, hint, retryable, kind } = errorTable[code]
  const { status, meaning } = exitCodeOf(code)
  return {
    kind: 'error',
    code,
    text: [
      sentence(message),
      hint,
      retryable ? 'The same call may succeed later.' : 'The same call will fail again.',
      ...(kind === undefined ? [] : [`In Kinesis: ${kind}Exception.`]),
      `A command that fails with it exits ${status}: ${meaning}.`,
    ],
  }
}

const explanations: readonly Explanation[] = [
  ...Object.keys(errorTable).map((code) => explainError(code as ErrorCode)),
  ...Object.entries(cliErrorTable).map(
    ([code, { message, hint, exit }]): Explanation => ({
      kind: 'error',
      code,
      text: [sentence(message), hint, `The command exits ${exit.status}: ${exit.meaning}.`],
    }),
  ),
  ...Object.values(closeCodes).map(
    ({ code, name, meaning }): Explanation => ({
      kind: 'close code',
      code: String(code),
      text: [
        `${name}: ${meaning}.`,
        reconnects(code) ? 'A client connects again.' : 'A client does not connect again.',
      ],
    }),
  ),
  {
    kind: 'close code',
    code: '1006',
    text: [
      `${sentence(`${reservedClose} larger than the broker takes`)}`,
      'A client connects again.',
    ],
  },
  ...Object.values(exitCodes).map(
    ({ status, meaning }): Explanation => ({
      kind: 'exit code',
      code: String(status),
      text: [sentence(meaning)],
    }),
  ),
]

async function explain({ args: [code], output }: Invocation): Promise<undefined> {
  if (code === undefined) {
    for (const it of explanations) {
      if (output.json) output.row({ ...it, text: it.text.join(' ') })
    }
    if (!output.json) {
      const rows = explanations.map((it) => [it.code, it.kind, it.text[0] ?? ''])
      for (const line of table(rows)) output.line(line)
    }
    return
  }
  const wanted = code.toUpperCase().replace(/-/g, '_')
  const found = explanations.filter((it) => it.code === wanted)
  if (found.length === 0) throw unknownCode(code, wanted)
  for (const it of found) {
    output.show({ ...it, text: it.text.join(' ') }, () => [
      `${output.style('bold', it.code)} (${it.kind})`,
      ...it.text.map((line) => `  ${line}`),
    ])
  }
}

function unknownCode(code: string, wanted: string): CliError {
  const meant = nearest(
    wanted,
    explanations.filter((it) => it.kind === 'error').map((it) => it.code),
  )
  const hint = meant === undefined ? 'List them all: millrace explain' : `Did you mean ${meant}?`
  return new CliError('USAGE', `there is no code ${code}`, { hint })
}

export function addExplain(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'explain [code]',
    summary: 'what a code means',
    purpose:
      'Explain an error code, a close code of a WebSocket, or an exit code.\n' +
      'Without a code: list them all.',
    examples: [
      'millrace explain THROUGHPUT_EXCEEDED',
      'millrace explain 4408',
      'millrace explain 74',
    ],
    action: explain,
  })
}
