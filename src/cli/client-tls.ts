/** What a command brings to a broker at `wss://`. */

import { readFileSync } from 'node:fs'
import type { TlsOptions } from '../client/node.ts'
import type { clientFileSettings } from './client-settings.ts'
import type { Config } from './config-schema.ts'
import { CliError } from './exit-codes.ts'

type ClientTlsSetting = (typeof clientFileSettings)[number]

/** Reads those that are given. Throws a CliError, FILE_UNREADABLE. */
export function readClientTls(config: Pick<Config, ClientTlsSetting>): TlsOptions {
  return {
    ca: read(config, 'tlsCaFile'),
    cert: read(config, 'clientCertFile'),
    key: read(config, 'clientKeyFile'),
  }
}

function read(config: Pick<Config, ClientTlsSetting>, path: ClientTlsSetting): string | undefined {
  const name = config[path]
  if (name === '') return undefined
  try {
    return readFileSync(name, 'utf8')
  } catch (cause) {
    throw unreadable(path, name, cause)
  }
}

function unreadable(path: string, name: string, cause: unknown): CliError {
  const { code } = cause as NodeJS.ErrnoException
  return new CliError('FILE_UNREADABLE', `${path}: ${name} cannot be read: ${code}`, { cause })
}
