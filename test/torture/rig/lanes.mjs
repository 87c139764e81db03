// Work in a few lanes at once: while one lane waits for the kernel to mount, another verifies.

// Calls work(item, lane) for every item, in order of start, never more than `count` at a time. The
// first failure stops the start of new work and is thrown when every lane has ended, so that
// nothing goes on behind a cleanup.
export async function inLanes(items, count, work) {
  let next = 0
  let failure = null
  const lane = async (number) => {
    while (next < items.length && failure === null) {
      const item = items[next++]
      try {
        await work(item, number)
      } catch (error) {
        failure ??= error
      }
    }
  }
  await Promise.all(Array.from({ length: count }, (_, number) => lane(number)))
  if (failure !== null) throw failure
}
