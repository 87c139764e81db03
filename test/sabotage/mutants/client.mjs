// Bugs of the client library.
import { vitestMutants } from './kinds.mjs'

export const client = vitestMutants('test/unit/client', [
  ['62-resume-repeats-a-record', 'subscription', 'what lies before is passed over'],
  ['69-lost-beginning-untold', 'consumer-group', 'a child that has lost its beginning'],
  ['70-checkpoint-passes-what-waits', 'consumer', 'do not pass what waits with it'],
  ['71-token-passes-what-waits', 'subscription', 'the beginnings of children whose records wait'],
  ['72-given-back-twice', 'lease-loop', 'of a shard that is done may have been given back'],
  ['73-asks-in-rounds-alone', 'lease-loop', 'when the broker says that they may be had'],
  ['75-closed-before-the-answer', 'lease-loop', 'that come behind the end are on the list'],
  ['88-aside-overtaken', 'producer-throttled', 'holds up no record of another one'],
  ['89-repeat-too-old', 'lost-connection', 'for 55 minutes, and no longer'],
  ['97-merged-shard-read-early', 'shard-lineage', 'not while what the other parent comes from'],
  ['210-refused-token-ends', 'token-refused', 'that is refused is followed by others'],
  ['211-token-waited-for-ever', 'token-refused', 'is asked again when its time is over'],
  ['212-renewal-tried-once', 'token-renewal', 'is shown again where it was refused'],
  ['213-cut-slice-read-on', 'connection', 'and ends before those behind it'],
  ['214-plain-token', 'plain-token', 'does not go to'],
  ['442-failed-and-forgotten', 'handle-batches', 'without a place for what fails'],
  ['443-half-of-the-halves', 'handle-batches', 'is found by halving'],
  ['260-backoff-without-growth', 'backoff', 'comes within'],
  ['460-hash-keys-of-small-frames', 'producer-options', 'fit in a frame of'],
  ['461-one-array-for-all-attempts', 'handle-batches', 'takes records off its array'],
  ['462-lost-shard-put-aside', 'handle-batches', 'whose shard is lost at its single'],
  ['463-handled-before-it-is', 'handle-batches', 'what stands behind a batch'],
  ['464-waits-behind-the-signal', 'until-aborted', 'ends an iteration that waits'],
  ['520-leases-as-long-as-promised', 'lease-loop', 'three quarters of the time'],
])
