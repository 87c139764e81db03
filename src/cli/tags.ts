/** Tags on the command line: `--tag team=shop`. */

import { Option } from 'commander'
import type { Tag } from '../wire/operations.ts'
import { CliError } from './exit-codes.ts'

export function tagOption(): Option {
  return new Option('--tag <key=value>', 'a tag; can be repeated').argParser(parseTag)
}

export function tagText({ key, value }: Tag): string {
  return `${key}=${value}`
}

function parseTag(text: string, before: readonly Tag[] = []): readonly Tag[] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) {
    throw new CliError('USAGE', `--tag is "${text}", wanted KEY=VALUE`)
  }
  return [...before, { key, value }]
}
