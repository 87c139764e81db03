/** Every number that bounds something for a user, with its unit in its name. Imports nothing. */

/** Records in one PutRecords request. */
export const requestRecordsMax: number = 500

/** Partition keys and data of one PutRecords request, together, in bytes. */
export const requestBytesMax: number = 10 * 1024 * 1024

/** Characters (Unicode code points) of a partition key; there is at least one. */
export const partitionKeyCharactersMin: number = 1
export const partitionKeyCharactersMax: number = 256

/** Partition key and data of one record, in bytes: what is allowed unless it is set ... */
export const recordBytesMaxDefault: number = 1024 * 1024

/** ... and the range in which it can be set. */
export const recordBytesMaxLowest: number = 1024 * 1024
export const recordBytesMaxHighest: number = 10 * 1024 * 1024

/** Data with its frame around it: the bytes of one request as received. */
export const frameBytesMax: number = requestBytesMax + 64 * 1024
