/** With whose rights a broker runs: those of an ordinary user, and no capabilities of root's. */

import { readdirSync, readFileSync } from 'node:fs'
import { CliError } from './exit-codes.ts'

export interface Privileges {
  readonly isRoot: boolean
  /** A bit for each capability of Linux that some thread of this process has in effect. */
  readonly capabilities: bigint
}

/** To listen below port 1024: what it allows is to be a broker there. */
const bindCapability = 1n << 10n

/** Why a broker must not run with these rights, or undefined when it may. Pure. */
export function privilegeRefusal({ isRoot, capabilities }: Privileges): string | undefined {
  if (isRoot) return 'it would run as root, with all rights on this machine'
  if ((capabilities & ~bindCapability) === 0n) return undefined
  return `it would run with capabilities of root (CapEff ${capabilities.toString(16)})`
}

/** The capabilities in effect that a status file of Linux tells; none where it tells nothing. */
export function effectiveCapabilities(status: string): bigint {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return digits === undefined ? 0n : BigInt(`0x${digits}`)
}

/** Of all threads: each has its own. */
function readPrivileges(): Privileges {
  const isRoot = process.geteuid?.() === 0
  if (process.platform !== 'linux') return { isRoot, capabilities: 0n }
  const threads = '/proc/self/task'
  const capabilities = readdirSync(threads)
    .map((id) => effectiveCapabilities(readFileSync(`${threads}/${id}/status`, 'utf8')))
    .reduce((all, it) => all | it, 0n)
  return { isRoot, capabilities }
}

/**
 * Becomes the user of `runAs` (USER or USER:GROUP) for good, where it is given, and checks what
 * rights are left: to be called before anything is opened. Answers whether root's rights were
 * accepted. Throws a CliError: ROOT_REFUSED, CONFIGURATION_INVALID.
 */
export function checkPrivileges(runAs: string, insecureRunAsRoot: boolean): boolean {
  if (runAs !== '') becomeUser(runAs)
  const refusal = privilegeRefusal(readPrivileges())
  if (refusal === undefined) return false
  if (insecureRunAsRoot) return true
  throw new CliError('ROOT_REFUSED', `serve: ${refusal}`)
}

function becomeUser(runAs: string): void {
  const [user = '', group = user] = runAs.split(':')
  try {
    process.setgroups?.([])
    process.setgid?.(idOf(group))
    process.setuid?.(idOf(user))
  } catch (cause) {
    throw notBecome(runAs, cause)
  }
}

function notBecome(runAs: string, cause: unknown): CliError {
  const reason = (cause as Error).message
  return new CliError('CONFIGURATION_INVALID', `runAs is ${JSON.stringify(runAs)}: ${reason}`, {
    hint: 'Only root can become another user; name one that exists, or ids: --run-as 1000:1000',
    cause,
  })
}

function idOf(name: string): string | number {
  return /^\d+$/.test(name) ? Number(name) : name
}
