import { describe, expect, it } from 'vitest'
import { Output, table, toJson } from '../../../src/cli/output.ts'
import { type PrintedRecord, printRecord, visibleText } from '../../../src/cli/record-text.ts'

/** A stream that keeps what is written to it, and can fail. */
function sink(isTTY = false) {
  let fail: (error: NodeJS.ErrnoException) => void = () => undefined
  const chunks: Buffer[] = []
  return {
    isTTY,
    columns: 40,
    write: (data: string | Uint8Array) => chunks.push(Buffer.from(data)) > 0,
    on: (_: 'error', listener: typeof fail) => {
      fail = listener
    },
    fail: (code: string) => fail(Object.assign(new Error(code), { code })),
    text: () => Buffer.concat(chunks).toString(),
  }
}

function makeOutput(options: { isTTY?: boolean; json?: boolean; environment?: object } = {}) {
  const stdout = sink(options.isTTY)
  const stderr = sink(options.isTTY)
  const environment = { ...options.environment }
  const output = new Output({ stdout, stderr, json: options.json ?? false, environment })
  return { output, stdout, stderr }
}

const record: PrintedRecord = {
  shardId: 'shardId-000000000001',
  sequenceNumber: 2n ** 63n,
  partitionKey: 'customer-7',
  arrivalMillis: 0,
  data: Buffer.from('order 1'),
}

describe('output', () => {
  it('styles on a terminal alone, and where NO_COLOR does not forbid it', () => {
    expect(makeOutput({ isTTY: true }).output.style('red', 'x')).toContain('\u001b[')
    expect(makeOutput({ isTTY: false }).output.style('red', 'x')).toBe('x')
    const noColor = { NO_COLOR: '1' }
    expect(makeOutput({ isTTY: true, environment: noColor }).output.style('red', 'x')).toBe('x')
    const empty = { NO_COLOR: '' }
    expect(makeOutput({ isTTY: true, environment: empty }).output.style('red', 'x')).not.toBe('x')
    const dumb = { TERM: 'dumb' }
    expect(makeOutput({ isTTY: true, environment: dumb }).output.style('red', 'x')).toBe('x')
  })

  it('shows progress on a terminal alone, cut to its width, and clears it for a line', () => {
    const { output, stderr, stdout } = makeOutput({ isTTY: true, environment: { NO_COLOR: '1' } })
    output.progress('p'.repeat(100))
    output.line('data')
    output.endProgress()
    const clear = '\r\u001b[2K'
    const drawn = 'p'.repeat(39)
    expect(stderr.text()).toBe(`${drawn}${clear}${drawn}${clear}`)
    expect(stdout.text()).toBe('data\n')
    const piped = makeOutput()
    piped.output.progress('p')
    expect(piped.stderr.text()).toBe('')
  })

  it('writes nothing more when nobody reads', () => {
    const { output, stdout } = makeOutput()
    output.line('one')
    stdout.fail('EPIPE')
    output.line('two')
    output.bytes(Buffer.from('three'))
    expect(stdout.text()).toBe('one\n')
    expect(output.closed.aborted).toBe(true)
    expect(output.closed.reason).toMatchObject({ code: 'EPIPE' })
  })

  it('warns in JSON for programs', () => {
    const { output, stderr } = makeOutput({ json: true })
    output.warn('careful')
    expect(stderr.text()).toBe('{"warning":"careful"}\n')
  })

  it('keeps 64-bit numbers whole in JSON', () => {
    expect(toJson({ n: 2n ** 64n - 1n })).toBe('{"n":"18446744073709551615"}')
  })

  it('aligns columns', () => {
    expect(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toEqual(['a    bb  c', 'aaa  b'])
  })
})

describe('a record', () => {
  const shard = 'shardId-000000000001@9223372036854775808'

  it('is a line for people', () => {
    const { output, stdout } = makeOutput()
    printRecord(output, 'orders', record, { raw: false })
    expect(stdout.text()).toBe(`1970-01-01T00:00:00.000Z  ${shard}  customer-7  order 1\n`)
  })

  it('is a value for programs', () => {
    const { output, stdout } = makeOutput({ json: true })
    printRecord(output, 'orders', record, { raw: false })
    expect(JSON.parse(stdout.text())).toEqual({
      stream: 'orders',
      shardId: 'shardId-000000000001',
      sequenceNumber: '9223372036854775808',
      partitionKey: 'customer-7',
      arrival: '1970-01-01T00:00:00.000Z',
      data: 'order 1',
    })
  })

  it('is Base64 where it is no UTF-8', () => {
    const { output, stdout } = makeOutput({ json: true })
    printRecord(output, 'orders', { ...record, data: Buffer.from([0xff, 0]) }, { raw: false })
    const row = JSON.parse(stdout.text())
    expect(row.dataBase64).toBe('/wA=')
    expect(row).not.toHaveProperty('data')
    const people = makeOutput()
    printRecord(people.output, 'orders', { ...record, data: Buffer.from([0xff]) }, { raw: false })
    expect(people.stdout.text()).toContain('base64:/w==')
  })

  it('is its data alone with raw', () => {
    const { output, stdout } = makeOutput()
    printRecord(
      output,
      'orders',
      { ...record, data: Buffer.from('\u001b[31m\u0007') },
      { raw: true },
    )
    expect(stdout.text()).toBe('\u001b[31m\u0007\n')
  })

  it('cannot act on a terminal', () => {
    expect(visibleText('a\u001b[2J\nb\r\u0007\u202ec\td')).toBe(
      'a\\u001b[2J\\nb\\r\\u0007\\u202ec\td',
    )
  })
})
