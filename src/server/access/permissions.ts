/** What a principal may do, compiled for one lookup per message. Pure. */

import { type Action, noRights, type Rights, rightsOf } from '../../broker/caller.ts'

/** Actions on streams: exact names, and prefixes with a `*` behind them. */
export interface Permission {
  readonly actions: readonly Action[]
  readonly streams: readonly string[]
}

/** Names of streams come from clients: no more answers than these are kept. */
const keptMax = 1024

export class Permissions {
  readonly #exact = new Map<string, Rights>()
  readonly #prefixes: { readonly prefix: string; readonly rights: Rights }[] = []
  readonly #kept = new Map<string, Rights>()

  constructor(permissions: readonly Permission[]) {
    for (const { actions, streams } of permissions) {
      for (const stream of streams) this.#add(stream, rightsOf(actions))
    }
  }

  /** Whether there is a stream, or could be one, on which anything is allowed. */
  get hasRights(): boolean {
    return this.#exact.size > 0 || this.#prefixes.length > 0
  }

  /** Whether these are allowed on every stream, also on those that are to come. */
  onAll(rights: Rights): boolean {
    return this.#prefixes.some((it) => it.prefix === '' && (it.rights & rights) === rights)
  }

  rightsOn(streamName: string): Rights {
    const kept = this.#kept.get(streamName)
    if (kept !== undefined) return kept
    let rights = this.#exact.get(streamName) ?? noRights
    for (const it of this.#prefixes) if (streamName.startsWith(it.prefix)) rights |= it.rights
    if (this.#kept.size >= keptMax) this.#kept.clear()
    this.#kept.set(streamName, rights)
    return rights
  }

  #add(stream: string, rights: Rights): void {
    if (stream.endsWith('*')) this.#prefixes.push({ prefix: stream.slice(0, -1), rights })
    else this.#exact.set(stream, (this.#exact.get(stream) ?? noRights) | rights)
  }
}
