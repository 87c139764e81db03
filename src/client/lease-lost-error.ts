/** Another worker of the group has a shard now. */

import { MillraceError } from '../errors.ts'

/** Rejects `checkpoint` of a batch whose shard is another worker's by now. */
export class LeaseLostError extends MillraceError {
  readonly shardId: string

  constructor(shardId: string, leaseCounter: bigint) {
    super('LEASE_LOST', `the lease ${leaseCounter} of ${shardId} is another worker's by now`)
    this.shardId = shardId
  }
}
