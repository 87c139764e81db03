/**
 * Connections whose first message is to say who their client is: each can hold a message that is
 * not complete, so they are few, and of one address no more than its share.
 */

import { addressBlock } from '../address-block.ts'

export interface UnknownLimits {
  readonly unauthenticatedConnectionsMax: number
  readonly unauthenticatedConnectionsPerAddressMax: number
}

export class UnknownClients {
  readonly #limits: UnknownLimits
  readonly #perAddress: Map<string, number> = new Map()
  #count = 0

  constructor(limits: UnknownLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#count
  }

  came(remoteAddress: string): void {
    this.#change(remoteAddress, 1)
  }

  /** It is known by now, or has ended. */
  left(remoteAddress: string): void {
    this.#change(remoteAddress, -1)
  }

  /** Why there is no room for one more, or undefined. */
  refusal(remoteAddress: string): string | undefined {
    const { unauthenticatedConnectionsMax: most, unauthenticatedConnectionsPerAddressMax: share } =
      this.#limits
    if (this.#count >= most) return refusalText(most, '', 'unauthenticatedConnectionsMax')
    const ofAddress = this.#perAddress.get(addressBlock(remoteAddress)) ?? 0
    if (ofAddress < share) return undefined
    return refusalText(share, ' of your address', 'unauthenticatedConnectionsPerAddressMax')
  }

  #change(remoteAddress: string, by: number): void {
    this.#count += by
    const block = addressBlock(remoteAddress)
    const ofAddress = (this.#perAddress.get(block) ?? 0) + by
    if (ofAddress > 0) this.#perAddress.set(block, ofAddress)
    else this.#perAddress.delete(block)
  }
}

function refusalText(count: number, whose: string, limit: string): string {
  return (
    `${count} connections${whose} are open without a token (${limit}); ` +
    'send it in the Authorization header'
  )
}
