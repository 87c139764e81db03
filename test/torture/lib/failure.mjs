// A violation of a promise, found by a test. Any other error that a test throws is a failure too,
// of the rig or of the test; this class adds what a person needs in order to look closer.
export class TortureFailure extends Error {
  // `details` goes into the JSON report; `replay` may narrow the command that repeats it ({ seed,
  // count }).
  constructor(message, { details = {}, replay = {}, cause } = {}) {
    super(message, { cause })
    this.name = 'TortureFailure'
    this.details = details
    this.replay = replay
  }
}
