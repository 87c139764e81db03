/**
 * Who may connect and what they may do, by an access file that is read again when it changes: a
 * change acts on connections that are open within a second. One that is wrong changes nothing.
 */

import { accessLookMillis, tokenBytesMax } from '../../limits.ts'
import { errorFacts, type Logger } from '../logger.ts'
import { WatchedFiles } from '../watched-files.ts'
import { parseAccessFile } from './access-file.ts'
import { readAccessText } from './access-text.ts'
import type { Identity } from './identity.ts'
import { JwtVerifier } from './jwt-verifier.ts'
import type { Refusal } from './refusal.ts'
import { Rules } from './rules.ts'

export interface AccessOptions {
  /** The access file. */
  readonly path: string
  readonly logger: Logger
  /** Milliseconds since 1970; `Date.now` unless told otherwise. */
  readonly now?: () => number
  readonly lookMillis?: number
}

export class Access {
  readonly now: () => number
  readonly #path: string
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  readonly #listeners = new Set<() => void>()
  #rules: Rules
  /** The files that were read last, and what they looked like before they were. */
  #watched: WatchedFiles
  #reloading: Promise<void> = Promise.resolve()

  /** Rejects with a MillraceError, ACCESS_FILE_REFUSED. */
  static async open(options: AccessOptions): Promise<Access> {
    const watched = new WatchedFiles()
    const access = new Access(options, await readRules(options.path, watched), watched)
    access.#loaded('access file read')
    return access
  }

  private constructor(options: AccessOptions, rules: Rules, watched: WatchedFiles) {
    const { path, logger, now = Date.now, lookMillis = accessLookMillis } = options
    this.#path = path
    this.#logger = logger
    this.now = now
    this.#rules = rules
    this.#watched = watched
    this.#timer = setInterval(() => void this.reload(), lookMillis)
    this.#timer.unref()
  }

  /** Those of the moment; ask again after `onChange`. */
  get rules(): Rules {
    return this.#rules
  }

  /** Who shows this token, or why that is nobody. Never rejects. */
  async identify(token: string): Promise<Identity | Refusal> {
    if (token.length > tokenBytesMax) return 'too long'
    return await this.#rules.identify(token, this.now())
  }

  /** Calls `listener` when there are new rules; the function that comes back stops that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the files again if they have changed. Never rejects: what is wrong is logged. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  async #reload(): Promise<void> {
    if (!(await this.#watched.hasChanged())) return
    const watched = new WatchedFiles()
    this.#watched = watched
    try {
      this.#rules = await readRules(this.#path, watched)
    } catch (error) {
      this.#logger.error(
        { audit: 'access refused', ...errorFacts(error) },
        'the access file is wrong: the rules stay as they were',
      )
      return
    }
    this.#loaded('access file read again')
    for (const listener of this.#listeners) listener()
  }

  #loaded(text: string): void {
    this.#logger.info({ audit: 'access loaded', ...this.#rules.counts }, text)
  }
}

async function readRules(path: string, watched: WatchedFiles): Promise<Rules> {
  await watched.add(path)
  const rules = parseAccessFile(await readAccessText(path), path)
  for (const key of rules.jwt?.keys ?? []) {
    if (key.algorithm === 'HS256') await watched.add(key.secretFile)
  }
  return new Rules(rules, rules.jwt === undefined ? undefined : await JwtVerifier.open(rules.jwt))
}
