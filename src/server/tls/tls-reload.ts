/**
 * The certificate of a port, read again when its files change. What is wrong changes nothing: the
 * port goes on with what it has, and the log says so.
 */

import { errorFacts, type Logger } from '../logger.ts'
import { WatchedFiles } from '../watched-files.ts'
import { readTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.ts'

export interface TlsReloadOptions {
  readonly files: TlsFiles
  readonly logger: Logger
  /** How often the files are looked at. */
  readonly lookMillis: number
  /** Milliseconds since 1970; `Date.now` unless told otherwise. */
  readonly now?: () => number
}

export class TlsReload {
  readonly #options: TlsReloadOptions
  readonly #timer: NodeJS.Timeout
  #watched: WatchedFiles
  #renewed: (material: TlsMaterial) => void = () => undefined
  #reloading: Promise<void> = Promise.resolve()
  /** What was read last and was right. */
  material: TlsMaterial

  /** Rejects with a MillraceError, TLS_FILE_REFUSED. */
  static async open(options: TlsReloadOptions): Promise<TlsReload> {
    const watched = await watch(options.files)
    return new TlsReload(options, watched, await readNow(options))
  }

  private constructor(options: TlsReloadOptions, watched: WatchedFiles, material: TlsMaterial) {
    this.#options = options
    this.#watched = watched
    this.material = material
    this.#timer = setInterval(() => void this.reload(), options.lookMillis)
    this.#timer.unref()
    options.logger.info(material.facts, 'certificate read')
  }

  /** Calls `listener` with what is read from now on. */
  onRenewal(listener: (material: TlsMaterial) => void): void {
    this.#renewed = listener
  }

  /** Reads the files again if they have changed. Never rejects: what is wrong is logged. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  close(): void {
    clearInterval(this.#timer)
    this.#renewed = () => undefined
  }

  async #reload(): Promise<void> {
    if (!(await this.#watched.hasChanged())) return
    const { files, logger } = this.#options
    this.#watched = await watch(files)
    try {
      this.material = await readNow(this.#options)
      this.#renewed(this.material)
    } catch (error) {
      const text = 'the certificate was not read again, as its files are wrong: the old one stays'
      logger.error(errorFacts(error), text)
      return
    }
    logger.info(this.material.facts, 'certificate read again')
  }
}

async function watch({ certFile, keyFile, clientCaFile }: TlsFiles): Promise<WatchedFiles> {
  const watched = new WatchedFiles()
  for (const path of [certFile, keyFile, clientCaFile]) {
    if (path !== undefined) await watched.add(path)
  }
  return watched
}

function readNow({ files, now = Date.now }: TlsReloadOptions): Promise<TlsMaterial> {
  return readTlsFiles(files, now())
}
