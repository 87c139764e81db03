/** Random bytes that do not compress, the same in every run. */
export function someBytes(count, seed = 1) {
  const bytes = Buffer.alloc(count)
  let state = seed
  for (let i = 0; i < count; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
