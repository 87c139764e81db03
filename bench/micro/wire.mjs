// What the broker does in JavaScript for one put, and a client for one request, by tinybench.
import { benchCalls } from './calls.mjs'
import { loadPart, printReport, someBytes } from './harness.mjs'

const frames = await loadPart('wire/put-frame.js')
const answers = await loadPart('wire/put-answer.js')
const builders = await loadPart('wire/put-builder.js')
const envelope = await loadPart('wire/frame.js')
const { MillraceError } = await loadPart('errors.js')

const recordsPerRequest = 500
const target = { streamName: 'orders', durability: 'os' }
const data = someBytes(100)
const keys = Array.from({ length: recordsPerRequest }, (_, i) => `customer-${1000 + i}`)

const builder = new builders.PutRecordsBuilder(target)
/** As a producer does it: the frame is handed back, so that its memory is written again. */
function buildRequest() {
  for (const key of keys) builder.add(key, data)
  const frame = builder.finish(7)
  builder.recycle(frame)
  return frame
}
for (const key of keys) builder.add(key, data)
const request = builder.finish(7)

/** The native answer of a request whose records went to four shards. */
function nativeAnswer() {
  const shard = (number) =>
    Buffer.concat([
      Buffer.from([0x94, 0xcf, 0, 0, 0, 0, 0, 0, 0, number]),
      Buffer.from([0xcf, 0, 0, 0, 0, 0, 0, 1, 0, 0xce, 0, 0, 0, 125, 0xc0]),
    ])
  const ordinals = Buffer.alloc(recordsPerRequest, 1)
  return Buffer.concat([
    Buffer.from([0x93, 0xdd, 0, 0, 0, 4]),
    ...[1, 2, 3, 4].map(shard),
    Buffer.from([0xc5, recordsPerRequest >>> 8, recordsPerRequest & 0xff]),
    ordinals,
    Buffer.from([0xce, 0, 0, 0, 0]),
  ])
}
const answer = nativeAnswer()
const failure = new MillraceError('STREAM_NOT_FOUND')

const id = 123456
function isAnswer(frame) {
  const { kind, requestId } = envelope.decodeBrokerFrame(frame)
  return kind === 'answer' && requestId === id
}

await benchCalls({
  'read the head of a put': [
    () => frames.readPutHead(request),
    (head) => head.requestId === 7 && head.streamName === target.streamName,
  ],
  'encode the answer of a PutRecord': [
    () => answers.encodePutRecordAnswer(id, 'os', 'shardId-000000000001', 1234567890123n),
    isAnswer,
  ],
  'encode the answer of a PutRecords, 4 shards': [
    () => answers.encodePutRecordsAnswer(id, 'os', [0, 1, 2, 3], answer),
    isAnswer,
  ],
  'encode the answer of a PutBatch': [
    () => answers.encodePutBatchAnswer(id, 'os', 1234567890123n, false),
    isAnswer,
  ],
  'encode an error': [
    () => envelope.encodeError(0x21, id, failure),
    (frame) => {
      const { kind, requestId, error } = envelope.decodeBrokerFrame(frame)
      return kind === 'error' && requestId === id && error.code === failure.code
    },
  ],
  'build a PutRecords frame, 500 x 100 B': [
    buildRequest,
    (frame) => Buffer.compare(frame, request) === 0,
  ],
})
printReport()
