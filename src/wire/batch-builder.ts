/** Packs records into one reusable buffer, as one batch. */

import { RecordWriter } from './record-writer.ts'

/**
 * ```ts
 * const builder = new BatchBuilder()
 * builder.add('sensor-7', new Uint8Array([1, 2, 3]))
 * await log.append(shard, builder)
 * builder.clear()
 * ```
 */
export class BatchBuilder extends RecordWriter {
  constructor() {
    super(0)
  }

  /** The bytes of all records; a view that is valid until the next `add` or `clear`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.memory.subarray(0, this.size)
  }
}
