/** What seldom changes but may, and costs too much to ask for at each use. */

const renewMillis = 5000

/**
 * The value as it was a few seconds ago at most. `now` in milliseconds, of which only differences
 * matter.
 */
export function renewed<Value>(
  find: () => Value,
  now: () => number = () => performance.now(),
): () => Value {
  let found: { readonly value: Value; readonly at: number } | undefined
  return () => {
    if (found === undefined || now() - found.at >= renewMillis) {
      found = { value: find(), at: now() }
    }
    return found.value
  }
}
