// What a disk holds after the power was cut: everything up to the last flush, and any part of what
// was written since.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'

const SECTOR_BYTES = 512
const BLOCK_BYTES = 4096
const KEPT_PROBABILITY = 0.5 // of a write after the last flush
const TORN_PROBABILITY = 0.3 // of those that are kept

export class CutMaker {
  #trace
  #durable // content up to #durableCount requests, all of which a flush has made safe
  #durableCount = 0
  #used // per block: may differ from zero

  // `basePath` is the disk as it was before the first request of the trace.
  constructor(basePath, trace) {
    this.#trace = trace
    this.#durable = readFileSync(basePath)
    this.#used = new Uint8Array(Math.ceil(this.#durable.length / BLOCK_BYTES))
    const zeros = Buffer.alloc(BLOCK_BYTES)
    for (let block = 0; block < this.#used.length; block++) {
      const start = block * BLOCK_BYTES
      if (!this.#durable.subarray(start, start + BLOCK_BYTES).equals(zeros)) this.#used[block] = 1
    }
  }

  // Writes to `path` the disk after a cut right behind the request with this index. Indexes must
  // not fall from call to call. Answers what became of the unflushed writes.
  write(index, random, path) {
    this.#advance(index)
    const content = Buffer.from(this.#durable)
    const fate = { unflushed: 0, kept: 0, torn: 0 }
    const used = this.#used.slice()
    for (let i = this.#durableCount; i <= index; i++) {
      const request = this.#trace.requests[i]
      if (request.flush) continue
      fate.unflushed++
      if (!random.chance(KEPT_PROBABILITY)) continue
      fate.kept++
      const [start, end] = this.#keptPart(request, random, fate)
      this.#apply(content, used, request, start, end)
    }
    writeSparse(path, content, used)
    return fate
  }

  // A write that is torn ends, or begins, at a sector boundary in its middle; the rest of it is
  // what was there before.
  #keptPart(request, random, fate) {
    const sectors = Math.floor(request.length / SECTOR_BYTES)
    if (sectors < 2 || !random.chance(TORN_PROBABILITY)) return [0, request.length]
    fate.torn++
    const boundary = random.between(1, sectors - 1) * SECTOR_BYTES
    return random.chance(0.5) ? [0, boundary] : [boundary, request.length]
  }

  // Moves the durable content forward to the last flush at or before `index`.
  #advance(index) {
    if (index < this.#durableCount - 1) throw new Error('cuts must be made in order')
    let flush = index
    while (flush >= this.#durableCount && !this.#trace.requests[flush].flush) flush--
    for (let i = this.#durableCount; i <= flush; i++) {
      const request = this.#trace.requests[i]
      this.#apply(this.#durable, this.#used, request, 0, request.length)
    }
    this.#durableCount = Math.max(this.#durableCount, flush + 1)
  }

  #apply(content, used, request, start, end) {
    if (end === start) return
    const { bytes } = this.#trace
    bytes.copy(content, request.offset + start, request.from + start, request.from + end)
    const first = Math.floor((request.offset + start) / BLOCK_BYTES)
    used.fill(1, first, Math.floor((request.offset + end - 1) / BLOCK_BYTES) + 1)
  }
}

// Only the blocks that hold something, so that an image costs memory for what is in it.
function writeSparse(path, content, used) {
  const fd = openSync(path, 'w', 0o600)
  try {
    ftruncateSync(fd, content.length)
    for (let block = 0; block < used.length; block++) {
      if (used[block] === 0) continue
      const first = block
      while (block + 1 < used.length && used[block + 1] === 1) block++
      const start = first * BLOCK_BYTES
      const end = Math.min((block + 1) * BLOCK_BYTES, content.length)
      writeSync(fd, content, start, end - start, start)
    }
  } finally {
    closeSync(fd)
  }
}
