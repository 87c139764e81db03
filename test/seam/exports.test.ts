import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorTable } from '../../src/errors.ts'
import type { NativeLogHandle } from '../../src/log/binding.ts'
import { binding, constants, declaredExports, declaredHandle } from '../../src/log/binding.ts'
import { temporaryDirectory } from './harness.ts'

const functionsOf = (it: object) => Object.values(it).filter((value) => typeof value === 'function')

function openHandle(): Promise<NativeLogHandle> {
  return new Promise((resolve, reject) => {
    const dir = join(temporaryDirectory(), 'log')
    binding.open(
      dir,
      constants.openDefaults,
      () => undefined,
      (error, handle) => {
        if (error === undefined) resolve(handle as NativeLogHandle)
        else reject(error)
      },
    )
  })
}

function closeHandle(handle: NativeLogHandle): Promise<void> {
  return new Promise((resolve) => {
    handle.control(constants.controlOperations.close, 0n, 0n, null, () => resolve())
  })
}

describe('what native exports', () => {
  it('is what NativeBinding declares, no more and no less', () => {
    expect(Object.keys(binding).sort()).toEqual(Object.keys(declaredExports).sort())
  })

  it('is, for a handle, what NativeLogHandle declares, no more and no less', async () => {
    const handle = await openHandle()
    expect(Object.keys(handle).sort()).toEqual(Object.keys(declaredHandle).sort())
    await closeHandle(handle)
  })

  /*
   * Every function is a way across the seam that needs its own tests of misuse, lifetimes and
   * random arguments. What need not be quick is an operation of `control`, or a kind of `stats`:
   * those have the tests already. Raise a bound only for what is called for every batch or put, or
   * for what is of no log, as the queue of those that connect.
   */
  it('is few functions: 6 of the module, and 13 of a handle', async () => {
    const handle = await openHandle()
    expect(functionsOf(binding).length).toBeLessThanOrEqual(6)
    expect(functionsOf(handle).length).toBeLessThanOrEqual(13)
    await closeHandle(handle)
  })

  it('has the codes of the table of errors', () => {
    const known = Object.keys(errorTable)
    expect(constants.errorCodes.slice(1).filter((it) => !known.includes(it))).toEqual([])
  })

  it('has one default per option', () => {
    expect(constants.openDefaults.length).toBe(constants.openOptions.length)
  })

  it('describes a block whose fields do not overlap', () => {
    const { block, row } = constants
    expect(block.rows % 8).toBe(0)
    expect(row.bytes % 8).toBe(0)
    expect(block.putAnswer).toBeGreaterThanOrEqual(block.rows + row.bytes)
    const words = [block.producerId, block.expectedSequence, block.place, block.firstSequence]
    expect(new Set(words).size).toBe(words.length)
  })
})
