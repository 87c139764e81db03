/** Lines of the log for a terminal, from the lines of JSON that programs get. */

import type { Output } from './output.ts'
import { visibleText } from './record-text.ts'

const levelStyles = { warn: 'yellow', error: 'red', fatal: 'red' } as const
/** What every line has, and a terminal need not show. */
const usual = new Set(['level', 'time', 'pid', 'msg'])

/** `12:00:01 warn  the text  name=value`. What is no line of the log is left as it is. */
export function logLine(output: Output, json: string): string {
  const facts = parse(json)
  if (facts === undefined) return json
  const { level, time, msg } = facts
  const clock = new Date(String(time)).toTimeString().slice(0, 8)
  const word = String(level).padEnd(5)
  const style = levelStyles[level as keyof typeof levelStyles]
  const rest = Object.entries(facts)
    .filter(([name]) => !usual.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const line = [
    output.errorStyle('dim', clock),
    style === undefined ? word : output.errorStyle(style, word),
    visibleText([msg, ...rest].join('  ')),
  ]
  return line.join(' ')
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(json) as Record<string, unknown>
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
