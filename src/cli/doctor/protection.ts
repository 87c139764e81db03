/** Whether a broker would start with what protects it, and for how long that lasts. */

import { MillraceError } from '../../errors.ts'
import { isLoopbackName } from '../../server/admission.ts'
import type { Config } from '../config-schema.ts'
import { CliError } from '../exit-codes.ts'
import { addressOf, checkAddresses, countsText, readAccessFile, tlsFiles } from '../protection.ts'
import { plural } from '../units.ts'
import { type Check, failed, ok, warning } from './check.ts'

const dayMillis = 24 * 3_600_000
/** Who renews certificates does it long before. */
const daysLeftMin = 14

/** Of what is set alone: a broker on loopback needs none of it. */
export async function* checkProtection(config: Config): AsyncGenerator<Check> {
  yield await finding('address', async () => {
    await checkAddresses(config)
    return addressCheck(config)
  })
  const { accessFile } = config
  if (accessFile !== '') {
    yield await finding('access file', async () => {
      return ok('access file', `${accessFile}: ${countsText(await readAccessFile(accessFile))}`)
    })
  }
  if (config.tlsCertFile !== '') {
    yield await finding('certificate', () => checkCertificate(config))
  }
}

/** Of an address that a broker may have. */
function addressCheck(config: Config): Check {
  const { listen, insecureNoAuth, insecureNoTls } = config
  const name = 'address'
  if (isLoopbackName(addressOf(config).host)) return ok(name, `${listen}, for this machine alone`)
  const risks = [insecureNoAuth && 'insecureNoAuth', insecureNoTls && 'insecureNoTls'].filter(
    Boolean,
  )
  if (risks.length === 0) return ok(name, `${listen}, for others, with TLS and authentication`)
  const text = `${listen}, for others, with ${risks.join(' and ')}`
  return warning(name, text, 'Protect it with TLS and an access file instead.')
}

async function checkCertificate(config: Config): Promise<Check> {
  const name = 'certificate'
  const files = tlsFiles(config)
  if (files === undefined) return ok(name, 'none')
  const { readTlsFiles } = await import('../../server/tls/tls-files.ts')
  const { facts } = await readTlsFiles(files, Date.now())
  const days = Math.floor((Date.parse(facts.validTo) - Date.now()) / dayMillis)
  const text = `${facts.names}, valid for ${plural(days, 'day')}`
  if (days >= daysLeftMin) return ok(name, text)
  return warning(name, text, 'Put a new pair in its place: a broker that runs takes it by itself.')
}

/** What a broker would refuse to start with is a finding like others. */
async function finding(name: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof MillraceError || error instanceof CliError)) throw error
    return failed(name, error.message, error.hint)
  }
}
