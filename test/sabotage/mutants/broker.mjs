// Bugs of the broker without sockets: pushes, leases, checkpoints, reshards under puts.
import { vitestMutants } from './kinds.mjs'

export const broker = vitestMutants('test/unit', [
  ['13-no-credit', 'broker/fan-out/credit', 'nothing is sent beyond it'],
  [
    '61-resume-skips-a-record',
    'broker/fan-out/subscribe-to-stream',
    'goes on where the client was',
  ],
  [
    '63-child-begun-early',
    'broker/fan-out/subscribe-to-stream',
    'sends parents to their ends before',
  ],
  ['64-child-leased-early', 'broker/leases', 'not the child of a merge while one parent is open'],
  ['65-gap-untold', 'broker/fan-out/subscribe-to-shard', 'what is trimmed before it was sent'],
  ['66-drain-forgotten', 'broker/fan-out/credit', 'gets no slices until it has drained'],
  ['67-superseded-checkpoint', 'broker/checkpoints', 'takes the counter of the lease'],
  ['68-lease-waits-its-turn', 'broker/fan-out/claims', 'a newer one takes over at once'],
  ['74-left-for-the-dead', 'broker/lease-calls', 'what is left for a worker that has died'],
  ['76-new-leases-forgotten', 'broker/lease-calls', 'given at the same time all last'],
  ['77-newcomer-takes-at-once', 'broker/leases', 'of who is new: nothing of others'],
  ['81-keys-go-back', 'broker/kinesis-reshard', 'from the switch on new ones are in the children'],
  [
    '85-old-routes-forgotten',
    'broker/kinesis-reshard',
    'is answered by the parent, also after an open',
  ],
  ['86-old-records-late', 'broker/kinesis-reshard', 'a PutBatch to a closed shard is SHARD_CLOSED'],
  ['93-large-answers-unpaid', 'shard/read-quota', 'wait after'],
  ['94-pushes-unpaced', 'broker/fan-out/pacing', '2 MiB a second of each shard are pushed'],
  ['96-trimmed-to-the-end-is-behind', 'broker/settings', 'the horizon has overtaken'],
  ['102-children-in-plain-text', 'broker/encryption', 'is being split'],
  [
    '141-pace-of-encoded-bytes',
    'broker/fan-out/pacing',
    'keys and data are counted, not what encloses them',
  ],
  ['441-served-to-its-end', 'broker/fan-out/rounds', 'serves one after the other'],
  ['240-total-credit-unbounded', 'broker/fan-out/limits', 'are bounded, and who waits'],
  ['241-holder-not-cut', 'broker/fan-out/limits', 'are not held by clients'],
  ['470-credit-without-shares', 'broker/fan-out/limits', 'many as they are, and others go on'],
  ['471-nothing-left-for-others', 'broker/fan-out/limits', 'leave something to a client'],
  ['472-starving-waits-as-long', 'broker/fan-out/limits', 'are not held by clients'],
  ['280-overwritten-before-sent', 'broker/fan-out/outbox', 'at different places of a shard'],
  [
    '281-said-before-sent',
    'broker/fan-out/subscribe-to-stream',
    'sends parents to their ends before',
  ],
  ['282-full-sink-gets-more', 'broker/fan-out/outbox', 'a sink that is full gets one slice'],
  ['283-ended-and-sent-to', 'broker/fan-out/outbox', 'who ends a subscription as it takes a slice'],
])
