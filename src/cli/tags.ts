/** Tags on the command line: `--tag team=shop`. */

import { Option } from 'commander'
import type { Tag } from '../wire/operations.ts'
import { CliError } from './exit-codes.ts'

export function tagOption(): Option {
  return new Option('--tag <key=value>', 'a tag; can be repeated').argParser(addTag)
}

export function tagText({ key, value }: Tag): string {
  return `${key}=${value}`
}

/** The tag of `team=shop`; `name` is what errors call the text. Throws a CliError, USAGE. */
export function parseTag(text: string, name: string): Tag {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (key !== undefined && value !== undefined) return { key, value }
  throw new CliError('USAGE', `${name} is "${text}", wanted KEY=VALUE`)
}

function addTag(text: string, before: readonly Tag[] = []): readonly Tag[] {
  return [...before, parseTag(text, '--tag')]
}
