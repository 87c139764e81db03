import { describe, expect, it } from 'vitest'
import { effectiveCapabilities, privilegeRefusal } from '../../../src/cli/privileges.ts'

describe('the rights of a broker', () => {
  it('are those of an ordinary user, who may listen below port 1024', () => {
    expect(privilegeRefusal({ isRoot: false, capabilities: 0n })).toBeUndefined()
    expect(privilegeRefusal({ isRoot: false, capabilities: 0x400n })).toBeUndefined()
  })

  it('are not those of root', () => {
    expect(privilegeRefusal({ isRoot: true, capabilities: 0n })).toMatch(/as root/)
  })

  it.each([0x1n, 0x2n, 0x401n, 0x1ffffffffffn])('have no capabilities of %d', (capabilities) => {
    expect(privilegeRefusal({ isRoot: false, capabilities })).toContain(capabilities.toString(16))
  })

  it.each([
    ['Name:\tnode\nCapPrm:\t00000000000000ff\nCapEff:\t000001fffeffffff\n', 0x1fffeffffffn],
    ['CapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n', 0n],
    ['Name:\tnode\n', 0n],
  ])('are read from %j', (status, capabilities) => {
    expect(effectiveCapabilities(status)).toBe(capabilities)
  })
})
