/** Listening to signals that many listen to. */

interface EventsModule {
  setMaxListeners(count: number, ...targets: readonly AbortSignal[]): void
}

/** Node's own module, without an import that a browser could not resolve. */
const { process: nodeProcess } = globalThis as {
  readonly process?: { getBuiltinModule?(name: string): unknown }
}
const events = nodeProcess?.getBuiltinModule?.('events') as EventsModule | undefined

/**
 * Calls `action` when the signal is aborted, and not before; what comes back ends that. A signal
 * can be shared by any number of calls, which Node would take for a leak from the 11th on.
 */
export function onAbort(signal: AbortSignal | undefined, action: () => void): () => void {
  if (signal === undefined) return () => {}
  events?.setMaxListeners(0, signal)
  signal.addEventListener('abort', action, { once: true })
  return () => signal.removeEventListener('abort', action)
}

/** What `work` answers; rejects with the reason of the signal as soon as that is aborted. */
export function unlessAborted<Answer>(
  work: Promise<Answer>,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) reject(signal.reason)
    const forget = onAbort(signal, () => reject(signal?.reason))
    work.finally(forget).then(resolve, reject)
  })
}
