import { describe, expect, it } from 'vitest'
import { createLogger, errorFacts, logText } from '../../../src/server/logger.ts'

function logged(write: (logger: ReturnType<typeof createLogger>) => void): unknown[] {
  const lines: string[] = []
  write(createLogger({ level: 'info', destination: { write: (line) => void lines.push(line) } }))
  return lines.map((line) => {
    expect(line.endsWith('\n')).toBe(true)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    return JSON.parse(line)
  })
}

describe('a line of the log', () => {
  it('is an object with level, time, message and facts, of the levels that are wanted', () => {
    const lines = logged((logger) => {
      logger.debug({}, 'not this')
      logger.warn({ connections: 3, position: 2n ** 60n }, 'this')
    })
    expect(lines).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        pid: process.pid,
        connections: 3,
        position: '1152921504606846976',
        msg: 'this',
      },
    ])
  })

  it('holds nothing that acts: controls, colours, text that runs backwards, long texts', () => {
    const [line] = logged((logger) => {
      logger.info(
        { crlf: 'a\r\nb', ansi: '\u001b[31mred', bidi: 'a\u202eb', long: 'x'.repeat(1_000_000) },
        'hostile',
      )
    }) as [{ crlf: string; ansi: string; bidi: string; long: string }]
    expect(line.crlf).toBe('a\\u000d\\u000ab')
    expect(line.ansi).toBe('\\u001b[31mred')
    expect(line.bidi).toBe('a\\u202eb')
    expect(line.long).toHaveLength(256)
  })

  it('has the whole stack of a bug', () => {
    const [line] = logged((logger) => logger.error(errorFacts(new TypeError('boom')), 'a bug')) as [
      { error: string; stack: string[] },
    ]
    expect(line.error).toBe('boom')
    expect(line.stack[0]).toBe('TypeError: boom')
    expect(line.stack[1]).toMatch(/^at .*logger\.test\.ts/)
  })
})

it('cuts a text at 256 characters and says so', () => {
  expect(logText('x'.repeat(256))).toBe('x'.repeat(256))
  expect(logText('x'.repeat(257))).toBe(`${'x'.repeat(255)}…`)
})

it('cuts each text of its facts where it is told to', () => {
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const logger = createLogger({ destination, textCharactersMax: 64 })
  logger.info({ name: 'x'.repeat(65), names: ['y'.repeat(65)], short: 'z'.repeat(64) }, 'said')
  expect(JSON.parse(lines[0] as string)).toMatchObject({
    name: `${'x'.repeat(63)}…`,
    names: [`${'y'.repeat(63)}…`],
    short: 'z'.repeat(64),
  })
})
