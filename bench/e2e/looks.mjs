/** What a consumer looks at of what it is sent, by name; each answers a sum over it. */
export const looks = {
  batches: (batch) => batch.bytes.length,

  views(records) {
    let sum = 0
    for (const record of records) sum += record.data.length
    return sum
  },

  decoded(records) {
    let sum = 0
    for (const record of records) {
      sum += record.partitionKey.length + record.data[0]
      if (record.sequenceNumber === 0n) throw new Error('a record without a sequence number')
    }
    return sum
  },
}
