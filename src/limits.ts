/**
 * Every number that bounds something for a user, with its unit in its name. Imports nothing.
 *
 * Most are the defaults of settings of the same names. Each of the others says who sets it
 * (`Set:`), or why nobody can (`Fixed:`).
 */

/** Records in one PutRecords request. Fixed: as in Kinesis, whose programs rely on it. */
export const requestRecordsMax: number = 500

/**
 * Partition keys and data of one PutRecords request, together, in bytes. Fixed: as in Kinesis, and
 * a batch of the log has room for so many.
 */
export const requestBytesMax: number = 10 * 1024 * 1024

/**
 * Characters (Unicode code points) of a partition key; there is at least one. Fixed: as in Kinesis,
 * and every batch on disk was checked by it.
 */
export const partitionKeyCharactersMin: number = 1
export const partitionKeyCharactersMax: number = 256

/**
 * Partition key and data of one record, in bytes: what is allowed unless it is set ... Set: for
 * each stream, by UpdateMaxRecordSize.
 */
export const recordBytesMaxDefault: number = 1024 * 1024

/** ... and the range in which it can be set. Fixed: as in Kinesis. */
export const recordBytesMaxLowest: number = 1024 * 1024
export const recordBytesMaxHighest: number = 10 * 1024 * 1024

/**
 * What a shard of a stream in PROVISIONED mode takes in: records in a second, bytes of keys and
 * data per second, and how many of those at once when it has rested. Fixed: as in Kinesis, so that
 * a load that fits here fits there; who wants more has a stream in ON_DEMAND mode, or more shards.
 */
export const shardRecordsPerSecond: number = 1000
export const shardBytesPerSecond: number = 1024 * 1024
export const shardBurstBytes: number = 10 * 1024 * 1024

/** Data with its frame around it: the bytes of one request as received. It is set lower alone. */
export const frameBytesMax: number = requestBytesMax + 64 * 1024

/** Characters of the name of a stream, which match `[a-zA-Z0-9_.-]`. Fixed: as in Kinesis. */
export const streamNameCharactersMin: number = 1
export const streamNameCharactersMax: number = 128

/**
 * Shards with which a stream can be created, and open ones that it can have. Fixed: answers and
 * tokens to go on with have room for so many.
 */
export const shardCountMax: number = 10_000
/** ... and with how many it is created unless that is given. Set: by CreateStream. */
export const shardCountDefault: number = 4

/**
 * How often UpdateShardCount works for a stream within 24 hours; what can be set instead. Set: by
 * `limits.shardCountUpdatesPerDay`.
 */
export const shardCountUpdatesDefault: number = 10
export const shardCountUpdatesHighest: number = 1000

/**
 * Shards of all streams of a data directory. Fixed: the log keeps some memory and a folder for
 * each, and is opened in a time that grows with them.
 */
export const shardsOfDirectoryMax: number = 1_000_000

/** Tags of a stream, and the characters of their keys and values. Fixed: as in Kinesis. */
export const tagsMax: number = 50
export const tagKeyCharactersMax: number = 128
export const tagValueCharactersMax: number = 256

/**
 * Records of one GetRecords answer: the largest limit that can be asked for, and the default. Set:
 * lower by each request.
 */
export const getRecordsRecordsMax: number = 10_000

/**
 * Bytes of records of one GetRecords answer; the answer is cut between records. Fixed: as in
 * Kinesis; a record of the largest size fits.
 */
export const getRecordsBytesMax: number = 10 * 1024 * 1024

/**
 * How long a shard iterator and a next token can be used, in milliseconds from their issue. Fixed:
 * as in Kinesis, whose programs ask for a new one in that time.
 */
export const iteratorMillisMax: number = 300_000
export const nextTokenMillisMax: number = 300_000

/**
 * Elements of one page of a listing: the largest that can be asked for, and the default. Set: lower
 * by each request.
 */
export const pageElementsMax: number = 10_000
export const listShardsPageDefault: number = 1000
export const describeStreamPageDefault: number = 100
export const listStreamsPageDefault: number = 100
export const listConsumersPageDefault: number = 100

/**
 * How long a stream keeps its records, in hours, unless it is set ... Set: for each stream, by
 * IncreaseStreamRetentionPeriod and DecreaseStreamRetentionPeriod.
 */
export const retentionHoursDefault: number = 24
/** ... and the range in which it can be set: a day to a year. Fixed: as in Kinesis. */
export const retentionHoursLowest: number = 24
export const retentionHoursHighest: number = 8760

/**
 * Bytes of the records of a stream beyond which the oldest go, where that is set: at least. Fixed:
 * below the size that every record may have a stream could keep none.
 */
export const retentionBytesLowest: number = 1024 * 1024

/** How often the mode of a stream can be switched within 24 hours. Fixed: as in Kinesis. */
export const modeSwitchesMax: number = 2

/** How often encryption of a stream can start and stop within 24 hours. Fixed: as in Kinesis. */
export const encryptionChangesMax: number = 25

/** The id of a key. Fixed: the header of each encrypted file has room for so many. */
export const keyIdCharactersMax: number = 64

/**
 * GetRecords requests a second of a shard of a PROVISIONED stream, those of all readers. Fixed: as
 * in Kinesis.
 */
export const shardReadsPerSecondMax: number = 5
/** Bytes a second that they read, and that each consumer is pushed. Fixed: as in Kinesis. */
export const shardReadBytesPerSecondMax: number = 2 * 1024 * 1024

/** Requests of one connection that wait for their answers; the next one is refused. */
export const requestsInFlightMax: number = 1024

/**
 * Depth of a message, and the elements of one of its containers: for both sides alike. Fixed, with
 * the four below: rule 8 of the protocol, which no Welcome announces. With less a broker would
 * refuse what clients may send; with more nothing that it knows could be said, and a few bytes
 * could claim more memory.
 */
export const messageDepthMax: number = 8
export const messageElementsMax: number = 1024

/** Elements of one container of an answer. Fixed: clients refuse what has more. */
export const answerElementsMax: number = 10_000

/**
 * All containers of a message together have at most so many times as many elements as one. Fixed:
 * both sides count so.
 */
export const messageElementsFactor: number = 16

/**
 * Bytes of a string of a message, other than the data and the key of a record. Fixed: both sides
 * refuse longer ones, and errors are cut to it.
 */
export const messageStringBytesMax: number = 1024

/** Open connections, all of them and those of one address (a /64 of IPv6; loopback is exempt). */
export const connectionsMax: number = 10_000
export const connectionsPerAddressMax: number = 256

/** Connections that are opened: so many at once, and so many a second from then on. */
export const connectsBurst: number = 10_000
export const connectsPerSecond: number = 500

/** Sockets that are no connections: handshakes, and requests over HTTP. */
export const otherSocketsMax: number = 4096

/** Connections of the admin port. */
export const adminConnectionsMax: number = 64

/** Files that a broker can open beside its sockets and those of the shards of its log. */
export const descriptorsReserved: number = 64

/**
 * Beyond this share of the memory nothing more is taken. Of what the machine has, or its control
 * group, unless so many bytes are set.
 */
export const memoryPercentMax: number = 80
export const memoryBytesMax: number = 0

/** Nor is it where the machine has no more than this share of its memory left, whoever took it. */
export const machinePercentMin: number = 2

/**
 * Beyond this share connections are cut off that do not answer a ping, as who is in the middle of a
 * message cannot.
 */
export const halfMessagePercentMax: number = 60

/**
 * Lateness of the event loop beyond which nobody more is let in: the mean of a second in which each
 * delay counts as much as it is long. One stall of three seconds is enough.
 */
export const loopDelayMillisMax: number = 2000

/** When a request that was refused for want of memory may come again. */
export const overloadRetryAfterMillis: number = 1000

/**
 * Bytes by which a message may be larger than the largest that is announced and still is answered
 * with an error: beyond that the connection ends without a close frame. Fixed: room for one record
 * too many; all that it changes is how a client hears of its bug.
 */
export const messageBytesSpare: number = 1024 * 1024
/** ... of one whose client is not known. Fixed: for the same reason, and strangers get less. */
export const unknownMessageBytesSpare: number = 64 * 1024

/**
 * How long a client may take for the handshake of TLS, and then for the headers of a request. On
 * ports without TLS it is the 10 s of the library.
 */
export const handshakeMillisMax: number = 10_000

/**
 * Bytes of the target and the headers of an HTTP request, of a handshake, too. Fixed: what the
 * library for ports without TLS reads; ports with TLS must not take what those refuse.
 */
export const requestHeadBytesMax: number = 4096

/** Consumers of a stream. */
export const consumersPerStreamMax: number = 20
/** The characters of their names. Fixed: as in Kinesis. */
export const consumerNameCharactersMax: number = 128

/**
 * Workers of a consumer: characters of their ids, how many, leases of one request, and how long a
 * lease lasts, which each worker sets. Fixed: the protocol names them, and workers of other
 * versions reckon with them.
 */
export const workerIdCharactersMax: number = 128
export const workersPerConsumerMax: number = 1000
export const leasesPerRequestMax: number = 1000
export const leaseMillisLowest: number = 500
export const leaseMillisHighest: number = 300_000

/** Subscriptions of a connection. */
export const subscriptionsMax: number = 128
/** The shards with which one of them begins. Fixed: its request has room for so many. */
export const shardsPerSubscriptionMax: number = 1000

/** Bytes of slices of a subscription on their way that its client has not returned: at most. */
export const subscriptionCreditBytesMax: number = 1024 * 1024
/** ... and what clients ask for. Set: for each subscription, by its client. */
export const subscriptionCreditBytesDefault: number = 256 * 1024
/** ... of all subscriptions of a connection together. */
export const connectionCreditBytesMax: number = 1024 * 1024
/** ... of all of a broker; 0: a quarter of the memory that the kernel has for TCP. */
export const creditTotalBytesMax: number = 0
/** ... of one principal; of one address where nobody is asked who they are, but for loopback. */
export const creditSharePercentMax: number = 50
/** How long a client may leave credit that is due unreturned. */
export const creditMillisMax: number = 60_000
/** ... while others have nothing on their way, and find no room for what is theirs. */
export const starvingMillisMax: number = 10_000

/**
 * Bytes of a slice that is pushed, unless one batch alone has more, and so what a subscription
 * sends before others have their turn. Fixed: the protocol promises it, and the least credit of a
 * subscription is as much.
 */
export const sliceBytesMax: number = 64 * 1024

/** How long subscriptions send in one go: puts, answers and credit come in between. */
export const roundMillisMax: number = 1

/** How often a subscription hears how far it has come. */
export const heartbeatMillis: number = 5000

/**
 * For how long a new subscription of a consumer and a shard keeps the next one out. Fixed: as in
 * Kinesis, whose clients come again after that.
 */
export const takeOverMillis: number = 5000

/** Bytes that wait in a socket from which on listings and reads of its connection wait, too. */
export const socketBytesPause: number = 64 * 1024

/** Bytes of other answers that a client may leave unread, and for how long any at all. */
export const unreadBytesMax: number = 4 * 1024 * 1024
export const unreadMillisMax: number = 60_000

/**
 * Bytes that all clients together leave unread, with the large answers that are being made, and
 * those of one principal; of one address where nobody is asked who they are, but for loopback.
 * Beyond it large answers wait, and clients are cut off that take less than so much a second.
 */
export const unreadTotalBytesMax: number = 256 * 1024 * 1024
export const unreadShareBytesMax: number = 64 * 1024 * 1024
export const unreadBytesPerSecondMin: number = 256 * 1024

/** A connection that is silent is pinged after this time, and closed after that. */
export const pingMillis: number = 25_000
export const silenceMillisMax: number = 55_000
/**
 * How often connections are looked at. Fixed: what is promised to end within 5 s, as a connection
 * whose token has expired, ends when they are, and silence has to be longer than that.
 */
export const inspectMillis: number = 5000

/** How long a connection lasts, less a tenth at most by chance; 0: as long as it is used. */
export const connectionMillisMax: number = 0

/** Of a turn of the event loop what goes to large answers; then others are heard in between. */
export const turnMillisMax: number = 5

/** How long a broker that shuts down waits for what is in flight; clients before they return. */
export const drainMillisMax: number = 10_000
export const drainRetryAfterMillis: number = 1000

/**
 * How long a producer's repeats are known whatever reshards there are meanwhile, at least: from a
 * reshard on, and from the start of the broker; and how long a client repeats what it has sent.
 * Fixed: clients of other versions count on the first, and stop before it; with less a repeat could
 * be taken for new.
 */
export const repeatsKnownMillis: number = 3_600_000
export const repeatMillisMax: number = 3_300_000
/** ... however many reshards those were. Fixed: each takes memory for as long. */
export const repeatsKnownReshardsMax: number = 64

/** When a request that was one too many in flight may come again, in milliseconds. */
export const inFlightRetryAfterMillis: number = 50

/** Characters of a text in a line of the log of a broker. */
export const logTextCharactersMax: number = 256
/** ... and of a list, such as a stack. Fixed: one bug must not fill a disk. */
export const logStackCharactersMax: number = 8192

/** Lines about connections that were cut, and of the audit about what was refused, in 5 s. */
export const warningLinesMax: number = 50
export const auditLinesMax: number = 100

/** Bytes of a token. Fixed: those that clients send; headers have room for less. */
export const tokenBytesMax: number = 8 * 1024
/** Bytes of a message before its sender is known; how long that may take. */
export const unauthenticatedMessageBytesMax: number = 8 * 1024
export const authenticationMillisMax: number = 5000

/**
 * Bytes of the largest message of a connection that was opened without a token: what is not
 * complete is held, whoever sends it. So it is for as long as the connection lasts, as the library
 * cannot change it.
 */
export const unknownFrameBytesMax: number = 1024 * 1024 + 64 * 1024

/** Connections whose client is not known yet: all, and those of one address (a /64 of IPv6). */
export const unauthenticatedConnectionsMax: number = 64
export const unauthenticatedConnectionsPerAddressMax: number = 32

/**
 * Characters of the id of a token, and of the name of a principal. Fixed: lines of the audit have
 * both whole.
 */
export const tokenIdCharactersMax: number = 64
export const principalCharactersMax: number = 128

/**
 * Tokens of an access file, and its certificates; bytes of the file, which fit both. It is read
 * within one turn of the event loop: who has more clients than that gives them JWTs. Fixed: with
 * more that turn would be longer than others can wait.
 */
export const accessTokensMax: number = 10_000
export const accessCertificatesMax: number = 10_000
export const accessFileBytesMax: number = 32 * 1024 * 1024

/**
 * A JWT lives from `iat` to `exp`: the most that can be set, and what is allowed unless it is. Set:
 * by `jwt.lifeSecondsMax` of the access file.
 */
export const tokenLifeSecondsMax: number = 31_536_000
export const tokenLifeSecondsDefault: number = 86_400

/**
 * How far the clocks of broker and issuer may differ: what is allowed, and the most. Set: by
 * `jwt.clockSkewSeconds` of the access file.
 */
export const clockSkewSecondsDefault: number = 60
export const clockSkewSecondsMax: number = 60

/**
 * What a principal may do unless its rules say otherwise: all of its connections together. Set: by
 * `limits` of the principal in the access file.
 */
export const principalConnectionsMax: number = 1000
export const principalRequestsPerSecond: number = 1_000_000
export const principalBytesPerSecond: number = 4 * 1024 * 1024 * 1024
/**
 * Bytes of one of its messages: what is allowed unless its rules say less, and the least. Set: by
 * `messageBytes` of those limits.
 */
export const principalMessageBytesMax: number = frameBytesMax
export const principalMessageBytesLowest: number = 8 * 1024

/** What each connection of a principal may do. */
export const connectionRequestsPerSecond: number = 5_000_000
export const connectionBytesPerSecond: number = 2 * 1024 * 1024 * 1024

/** ... and its frames that are no request, or one that is refused: it is closed beyond that. */
export const connectionFramesPerSecond: number = 100_000

/**
 * Authentications of one address (a /64 of IPv6) that fail: so many at once, and so many a second
 * from then on.
 */
export const failedAuthenticationsBurst: number = 20
export const failedAuthenticationsPerSecond: number = 1

/**
 * How soon a change of the access file is noticed. Fixed: a token that is taken back stops working
 * within a second, and that is promised.
 */
export const accessLookMillis: number = 500

/**
 * How often the files of a certificate are looked at, in milliseconds. Fixed: a renewal acts within
 * two seconds or so, and a look costs next to nothing.
 */
export const certificateLookMillis: number = 1000
