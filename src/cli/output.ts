/**
 * What a command writes. Its data goes to stdout; notes, warnings, errors and progress go to
 * stderr, so that a pipe carries data alone.
 */

import { styleText } from 'node:util'

/** The part of a stream of the process that is used. */
export interface Sink {
  readonly isTTY?: boolean
  readonly columns?: number
  write(data: string | Uint8Array): boolean
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown
}

export interface OutputOptions {
  readonly stdout: Sink
  readonly stderr: Sink
  readonly json: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

const clearLine = '\r\u001b[2K'
const usualColumns = 80
const newline = Buffer.from('\n')

export class Output {
  readonly #stdout: Sink
  readonly #stderr: Sink
  readonly #environment: OutputOptions['environment']
  readonly #closed = new AbortController()
  #progress = ''
  json: boolean

  constructor({ stdout, stderr, json, environment }: OutputOptions) {
    this.#stdout = stdout
    this.#stderr = stderr
    this.#environment = environment
    this.json = json
    stdout.on('error', (error) => this.#failed(error))
    stderr.on('error', (error) => this.#failed(error))
  }

  /** Aborted when nobody reads on, as after `| head`; the command then ends, quietly. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /** Whether a person looks at what goes to stdout, or to stderr. */
  get isTerminal(): boolean {
    return this.#stdout.isTTY === true
  }

  get isErrorTerminal(): boolean {
    return this.#stderr.isTTY === true
  }

  /** One line of data. */
  line(text: string): void {
    this.#erase()
    if (!this.closed.aborted) this.#stdout.write(`${text}\n`)
    this.#draw()
  }

  /** Data as it is, and a newline. */
  bytes(data: Uint8Array): void {
    this.#erase()
    // In one write, and copied: the bytes may lie in memory that is used again.
    if (!this.closed.aborted) this.#stdout.write(Buffer.concat([data, newline]))
    this.#draw()
  }

  /** One row of data for programs; bigints become strings, as JSON numbers cannot hold them. */
  row(value: unknown): void {
    this.line(toJson(value))
  }

  /** The row for programs, or the lines for people. */
  show(value: unknown, lines: () => string | readonly string[]): void {
    if (this.json) this.row(value)
    else for (const line of [lines()].flat()) this.line(line)
  }

  /** A line on stderr. */
  note(text: string): void {
    this.#erase()
    this.#stderr.write(`${text}\n`)
    this.#draw()
  }

  warn(text: string): void {
    if (this.json) this.note(toJson({ warning: text }))
    else this.note(`${this.errorStyle('yellow', 'warning:')} ${text}`)
  }

  /** The line that is redrawn while something takes long; only a terminal shows it. */
  progress(text: string): void {
    if (!this.isErrorTerminal || this.json) return
    this.#erase()
    const columns = this.#stderr.columns ?? usualColumns
    this.#progress = text.slice(0, columns - 1)
    this.#draw()
  }

  endProgress(): void {
    this.#erase()
    this.#progress = ''
  }

  style(style: Style, text: string): string {
    return this.#styled(this.#stdout, style, text)
  }

  errorStyle(style: Style, text: string): string {
    return this.#styled(this.#stderr, style, text)
  }

  #styled(sink: Sink, style: Style, text: string): string {
    const { NO_COLOR: noColor, TERM: term } = this.#environment
    const plain = sink.isTTY !== true || (noColor ?? '') !== '' || term === 'dumb'
    // The terminal was judged above; `styleText` itself would judge the process's own stdout.
    return plain ? text : styleText(style, text, { validateStream: false })
  }

  #erase(): void {
    if (this.#progress !== '') this.#stderr.write(clearLine)
  }

  #draw(): void {
    if (this.#progress !== '') this.#stderr.write(this.errorStyle('dim', this.#progress))
  }

  #failed(error: NodeJS.ErrnoException): void {
    // Whoever read is gone. Anything else that happens to an output is nothing to go on after.
    this.#closed.abort(error)
  }
}

/** JSON in one line; a bigint is a string of digits, bytes are Base64. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, it: unknown) => (typeof it === 'bigint' ? String(it) : it))
}

/** Columns of text, two blanks between them; numbers are to be aligned by the caller. */
export function table(rows: readonly (readonly string[])[]): string[] {
  return rightTable(rows, [])
}

/** ... with these columns aligned to the right. */
export function rightTable(
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length)
    })
  }
  const pad = (cell: string, column: number) => {
    const width = widths[column] ?? 0
    return right.includes(column) ? cell.padStart(width) : cell.padEnd(width)
  }
  return rows.map((row) => row.map(pad).join('  ').trimEnd())
}
