import { describe, expect, it } from 'vitest'
import { openFilesMax, parseOpenFiles, socketBounds } from '../../../src/server/descriptors.ts'
import { warnOfFewFiles } from '../../../src/server/start-warnings.ts'
import { FakeLogger } from './fakes.ts'

const boundsOf = (
  connectionsMax: number,
  files: number | undefined,
  { descriptorsReserved = 64, otherSocketsMax = 4096 } = {},
) => socketBounds({ connectionsMax, descriptorsReserved, otherSocketsMax }, files)

describe('sockets', () => {
  it('are as many as is asked for where files are plenty, and a few for handshakes', () => {
    expect(boundsOf(10_000, 1_048_576)).toEqual({ connectionsMax: 10_000, socketsMax: 14_096 })
    expect(boundsOf(10_000, undefined)).toEqual({ connectionsMax: 10_000, socketsMax: 14_096 })
  })

  it.each([256, 1024, 4096, 16_384])(
    'leave the log its half of %i files, and some more',
    (files) => {
      const { connectionsMax, socketsMax } = boundsOf(10_000, files)
      expect(socketsMax).toBe(files / 2 - 64)
      expect(connectionsMax).toBeLessThan(socketsMax)
      expect(connectionsMax).toBeGreaterThan(socketsMax / 2)
    },
  )

  it('are all that was asked for with a little more than twice as many files', () => {
    expect(boundsOf(10_000, 20_000)).toEqual({ connectionsMax: 10_000, socketsMax: 11_744 })
  })

  it('leave as many to others as is set', () => {
    expect(boundsOf(10_000, 1024, { descriptorsReserved: 16 }).socketsMax).toBe(512 - 16)
    expect(boundsOf(10_000, 1024, { descriptorsReserved: 400 }).socketsMax).toBe(512 - 400)
  })

  it('are as many beside connections as is set', () => {
    const { connectionsMax, socketsMax } = boundsOf(100, 65_536, { otherSocketsMax: 16 })
    expect([connectionsMax, socketsMax]).toEqual([100, 116])
  })

  it('are one at least', () => {
    expect(boundsOf(10, 64)).toEqual({ connectionsMax: 1, socketsMax: 1 })
  })

  it('that are fewer than was asked for are told in the log', () => {
    const logger = new FakeLogger()
    warnOfFewFiles(100, boundsOf(100, 65_536), logger)
    expect(logger.lines).toEqual([])
    warnOfFewFiles(10_000, boundsOf(10_000, 256), logger)
    expect(logger.lines).toMatchObject([
      { level: 'warn', facts: { wanted: 10_000, connectionsMax: 56, socketsMax: 64 } },
    ])
  })
})

it('the limit of open files is read as Linux writes it', () => {
  const head = 'Limit                     Soft Limit           Hard Limit           Units     \n'
  const line = 'Max open files            1024                 1048576              files     \n'
  expect(parseOpenFiles(head + line)).toBe(1024)
  expect(parseOpenFiles(line.replace('1024 ', 'unlimited '))).toBe(undefined)
  expect(parseOpenFiles('')).toBe(undefined)
  if (process.platform === 'linux') expect(openFilesMax()).toBeGreaterThan(0)
})
