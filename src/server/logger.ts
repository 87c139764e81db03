/** Lines of JSON on standard error. Never data of records, never secrets. */

import { type DestinationStream, type LevelWithSilent, pino } from 'pino'
import { logStackCharactersMax, logTextCharactersMax } from '../limits.ts'

/** What is written to the log: what happened, and the facts of it. */
export interface Logger {
  debug(facts: object, text: string): void
  info(facts: object, text: string): void
  warn(facts: object, text: string): void
  error(facts: object, text: string): void
}

/** C0 and C1 controls, and what turns the direction of text around: a line must read as it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

function visible(text: string): string {
  return text.replace(unprintable, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A text that came from outside, fit for a line: cut, and without characters that act. */
export function logText(text: string, charactersMax: number = logTextCharactersMax): string {
  return visible(text.length > charactersMax ? `${text.slice(0, charactersMax - 1)}…` : text)
}

/** The facts of an error: its code, its message and, for a bug, the stack. */
export function errorFacts(error: unknown): object {
  if (!(error instanceof Error)) return { error: String(error) }
  const code = (error as { code?: unknown }).code
  const stack = error.stack === undefined ? [] : error.stack.split('\n').map((it) => it.trim())
  return { ...(code === undefined ? {} : { code }), error: error.message, stack }
}

function bounded(value: unknown, charactersMax: number): unknown {
  if (typeof value === 'string') return logText(value, charactersMax)
  if (typeof value === 'bigint') return String(value)
  if (!Array.isArray(value)) return value
  let left = logStackCharactersMax
  return value
    .map((it) => bounded(it, charactersMax))
    .filter((it) => {
      left -= String(it).length
      return left >= 0
    })
}

export interface LoggerOptions {
  readonly level?: LevelWithSilent
  /** Standard error unless it is given. It is written to before a call returns. */
  readonly destination?: DestinationStream
  /** Of each text in a line. */
  readonly textCharactersMax?: number
}

export function createLogger(options: LoggerOptions = {}): Logger & { level: string } {
  const {
    level = 'info',
    destination = pino.destination({ dest: 2, sync: true }),
    textCharactersMax = logTextCharactersMax,
  } = options
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (facts) =>
          Object.fromEntries(
            Object.entries(facts).map(([key, it]) => [key, bounded(it, textCharactersMax)]),
          ),
      },
    },
    destination,
  )
}
