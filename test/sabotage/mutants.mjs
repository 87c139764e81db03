// The deliberate bugs. `number` is that of the reliability document's table of sabotage, and from 23
// on this table's own, from 61 on for fan-out and groups of workers. 12 is none any more: nothing can
// publish where no socket has a topic. 17 is none yet; 18, the origin, is 171 here. `command` must pass
// on the code as it is, and on the mutant end with an error and say something that matches `says`: a
// mutant that dies of something else has not been caught by the test that is there for it.

// The commands. The first word is a target of CMakeLists.txt, or `node`.
const powerCut = ['power_cut_main', '--count', '4000', '--seed', '1']
const callFault = ['call_fault_main', '--count', '3000', '--seed', '1']
const bitRot = ['bit_rot_main', '--count', '6000', '--seed', '1']
const crashWriter = ['crash_writer_main', '--count', '40', '--seed', '1', '--dir', '{dir}/log']
const heldView = ['node', '--expose-gc', 'test/seam/children/held-view.mjs', '{dir}/log']

function gtest(filter) {
  return ['millrace_tests', '--gtest_brief=1', `--gtest_filter=${filter}`]
}

const lost = /LOST|PHANTOM|called damaged|finds damage/
const rot = /after an? (?:un)?clean stop/
const early = /acknowledged before it was synced|LOST|PHANTOM/

function mutant(patch, command, says) {
  const target = command[0] === 'node' ? 'millrace' : command[0]
  return { number: Number.parseInt(patch, 10), patch, target, command, says }
}

// A test of what runs in Node: its file, and a part of its name that nothing else there has.
function nodeMutant(patch, file, title) {
  const path = `test/unit/${file}.test.ts`
  const command = ['node', 'node_modules/vitest/vitest.mjs', 'run', path, '-t', title]
  return mutant(patch, command, new RegExp(`FAIL .* > .*${title}`))
}

// The same over a socket.
function socketMutant(patch, file, title) {
  const path = `test/e2e/${file}.test.ts`
  const command = ['node', 'node_modules/vitest/vitest.mjs', 'run', path, '-t', title]
  return mutant(patch, command, new RegExp(`FAIL .* > .*${title}`))
}

export const mutants = [
  mutant('01-ack-before-sync.patch', powerCut, early),
  mutant('02-no-directory-sync.patch', powerCut, lost),
  mutant('03-retry-failed-sync.patch', callFault, early),
  mutant('04-unproven-tail.patch', powerCut, lost),
  mutant('05-crc-without-header.patch', bitRot, rot),
  mutant('06-cut-corruption.patch', bitRot, rot),
  mutant('07-all-zero-header.patch', gtest('*Recovery*'), /FAILED/),
  mutant('08-reused-number.patch', crashWriter, /violation:/),
  mutant('09-visible-before-durable.patch', powerCut, lost),
  mutant('10-forgotten-producers.patch', powerCut, /repeat/),
  nodeMutant('11-dropped-message-ignored.patch', 'server/uws-socket', 'a message is dropped'),
  nodeMutant('13-no-credit.patch', 'broker/fan-out/credit', 'nothing is sent beyond it'),
  mutant('14-truncate-mapped-file.patch', gtest('MappedFiles*'), /was cut/),
  mutant(
    '15-unmap-without-detach.patch',
    heldView,
    /killed by SIG(?:SEGV|BUS)|changed under its holder/,
  ),
  mutant('16-no-lock-file.patch', gtest('CoreTest.OneOwner*'), /kLogLocked/),
  mutant('21-position-of-32-bits.patch', gtest('Bounds/LargePositions*'), /FAILED/),
  mutant('23-seal-before-sync.patch', powerCut, lost),
  mutant('24-header-copy-unsynced.patch', gtest('DurableOrder*'), /LOST/),
  mutant('25-marker-proves-nothing.patch', bitRot, rot),
  mutant('26-read-without-checksum.patch', bitRot, rot),
  mutant('27-free-before-manifest.patch', gtest('DurableOrder*'), /LOST/),
  mutant('28-manifest-unsynced.patch', powerCut, lost),
  mutant('29-stale-verified-end.patch', powerCut, lost),
  mutant('30-recycle-while-mapped.patch', gtest('MappedFiles*'), /changed under its reader/),
  // What the failed round was to write stands where the next one finds it.
  mutant(
    '31-acks-after-failed-sync.patch',
    callFault,
    /broken invariant: handed_|acknowledged before/,
  ),
  mutant(
    '32-synced-upto-of-32-bits.patch',
    gtest('Bounds/LargePositions*'),
    /does not become less/,
  ),
  mutant('33-batch-of-another-shard.patch', gtest('*Recovery*'), /FAILED/),
  mutant('34-batch-of-an-earlier-life.patch', gtest('*Recovery*'), /FAILED/),
  mutant('35-seal-without-checksum.patch', gtest('DurableOrder*'), lost),
  mutant('36-torn-tail-left.patch', gtest('DurableOrder*'), lost),
  mutant('37-trimmed-view-attached.patch', heldView, /can still be read/),
  mutant('38-manifest-written-once.patch', bitRot, rot),
  mutant('40-staged-behind-visible.patch', gtest('SegmentWriter*'), /FAILED/),
  mutant('45-unconfirmed-syncs.patch', gtest('AbortedJournal*'), lost),
  mutant('46-unconfirmed-manifest.patch', gtest('AbortedJournal*'), lost),
  mutant('47-unconfirmed-repair.patch', gtest('AbortedJournal*'), lost),
  mutant('48-listing-unchecked.patch', callFault, lost),
  mutant('49-producers-behind-a-lost-seal.patch', gtest('CoreFaults*'), /FAILED/),
  mutant('50-free-file-taken-over.patch', gtest('DurableOrder*'), lost),
  mutant('51-served-beyond-the-recorded-end.patch', gtest('RecoveryMisplaced*'), /FAILED/),
  nodeMutant(
    '61-resume-skips-a-record.patch',
    'broker/fan-out/subscribe-to-stream',
    'goes on where the client was',
  ),
  nodeMutant(
    '62-resume-repeats-a-record.patch',
    'client/subscription',
    'what lies before is passed over',
  ),
  nodeMutant(
    '63-child-begun-early.patch',
    'broker/fan-out/subscribe-to-stream',
    'sends parents to their ends before',
  ),
  nodeMutant(
    '64-child-leased-early.patch',
    'broker/leases',
    'not the child of a merge while one parent is open',
  ),
  nodeMutant(
    '65-gap-untold.patch',
    'broker/fan-out/subscribe-to-shard',
    'what is trimmed before it was sent',
  ),
  nodeMutant(
    '66-drain-forgotten.patch',
    'broker/fan-out/credit',
    'gets no slices until it has drained',
  ),
  nodeMutant(
    '67-superseded-checkpoint.patch',
    'broker/checkpoints',
    'takes the counter of the lease',
  ),
  nodeMutant(
    '68-lease-waits-its-turn.patch',
    'broker/fan-out/claims',
    'a newer one takes over at once',
  ),
  nodeMutant(
    '69-lost-beginning-untold.patch',
    'client/consumer-group',
    'a child that has lost its beginning',
  ),
  nodeMutant(
    '70-checkpoint-passes-what-waits.patch',
    'client/consumer',
    'do not pass what waits with it',
  ),
  nodeMutant(
    '71-token-passes-what-waits.patch',
    'client/subscription',
    'the beginnings of children whose records wait',
  ),
  nodeMutant(
    '72-given-back-twice.patch',
    'client/lease-loop',
    'of a shard that is done may have been given back',
  ),
  nodeMutant(
    '73-asks-in-rounds-alone.patch',
    'client/lease-loop',
    'when the broker says that they may be had',
  ),
  nodeMutant(
    '74-left-for-the-dead.patch',
    'broker/lease-calls',
    'what is left for a worker that has died',
  ),
  nodeMutant(
    '75-closed-before-the-answer.patch',
    'client/lease-loop',
    'that come behind the end are on the list',
  ),
  nodeMutant(
    '76-new-leases-forgotten.patch',
    'broker/lease-calls',
    'given at the same time all last',
  ),
  nodeMutant(
    '77-newcomer-takes-at-once.patch',
    'broker/leases',
    'of who is new: nothing of others',
  ),
  nodeMutant(
    '81-keys-go-back.patch',
    'broker/kinesis-reshard',
    'from the switch on new ones are in the children',
  ),
  nodeMutant('82-children-numbered-low.patch', 'stream/reshard', 'ends are last records'),
  nodeMutant('83-closed-without-seal.patch', 'stream/reshard-crash', 'wherever it is cut'),
  nodeMutant(
    '84-snapshot-forgets-reshard.patch',
    'stream/catalog-state',
    'a snapshot has a reshard at each of its steps',
  ),
  nodeMutant(
    '85-old-routes-forgotten.patch',
    'broker/kinesis-reshard',
    'is answered by the parent, also after an open',
  ),
  nodeMutant(
    '86-old-records-late.patch',
    'broker/kinesis-reshard',
    'a PutBatch to a closed shard is SHARD_CLOSED',
  ),
  mutant('87-second-begins-anew.patch', gtest('BudgetTest.NoSecond*'), /FAILED/),
  nodeMutant(
    '88-aside-overtaken.patch',
    'client/producer-throttled',
    'holds up no record of another one',
  ),
  nodeMutant('89-repeat-too-old.patch', 'client/lost-connection', 'for 55 minutes, and no longer'),
  nodeMutant(
    '22-retention-on-the-wall-clock.patch',
    'stream/retention',
    'a clock that leaps trims nothing early',
  ),
  nodeMutant(
    '91-longer-period-revives.patch',
    'stream/retention',
    'does not come back with a longer period',
  ),
  nodeMutant(
    '92-expired-shard-deleted-first.patch',
    'stream/retention',
    'shards go completely or not at all',
  ),
  nodeMutant('93-large-answers-unpaid.patch', 'shard/read-quota', 'wait after'),
  nodeMutant(
    '94-pushes-unpaced.patch',
    'broker/fan-out/pacing',
    '2 MiB a second of each shard are pushed',
  ),
  nodeMutant('95-steps-unwritten.patch', 'stream/retention-clock', 'whatever the clock does'),
  nodeMutant(
    '96-trimmed-to-the-end-is-behind.patch',
    'broker/settings',
    'the horizon has overtaken',
  ),
  nodeMutant(
    '97-merged-shard-read-early.patch',
    'client/shard-lineage',
    'not while what the other parent comes from',
  ),
  mutant('98-salt-not-drawn.patch', gtest('NoncesTest.*Crashes*'), /FAILED/),
  mutant('99-counter-begins-anew.patch', gtest('NoncesTest.*Crashes*'), /FAILED/),
  mutant('100-header-not-authenticated.patch', gtest('EncryptionTest.FindsEveryByte*'), /FAILED/),
  mutant('101-plain-text-without-key.patch', gtest('EncryptionTest.NeverAppends*'), /FAILED/),
  nodeMutant('102-children-in-plain-text.patch', 'broker/encryption', 'is being split'),
  nodeMutant(
    '111-hot-for-a-moment.patch',
    'stream/scaling/plan',
    'was hot in one half of the window alone',
  ),
  nodeMutant(
    '112-cool-down-skipped.patch',
    'stream/scaling/plan',
    'waits for the end of the cool-down',
  ),
  nodeMutant(
    '113-hot-key-split-for-ever.patch',
    'stream/scaling/scaling',
    'is reported once, and not split for ever',
  ),
  nodeMutant(
    '114-merged-by-the-last-look.patch',
    'stream/scaling/plan',
    'are not when one was warm within the window',
  ),
  nodeMutant(
    '115-merged-below-the-peak.patch',
    'stream/scaling/plan',
    'are as many as carry twice what came at the most',
  ),
  nodeMutant(
    '116-replaced-twice.patch',
    'stream/scaling/scaling',
    'a plan of shards that are closed by now begins nothing',
  ),
  nodeMutant(
    '117-failure-without-rest.patch',
    'stream/scaling/scaling',
    'the split is tried again after a rest',
  ),
  nodeMutant(
    '118-centre-ignored.patch',
    'stream/scaling/scaling',
    'where the load of the last records is halved',
  ),
  nodeMutant('131-version-unchecked.patch', 'server/handshake', 'version.*426'),
  nodeMutant('132-two-hosts.patch', 'server/handshake', 'with two hosts'),
  socketMutant('133-compression.patch', 'transport', 'is welcomed'),
  nodeMutant('135-drain-held-up.patch', 'server/connections', 'does not wait for a client'),
  nodeMutant('136-unread-without-bound.patch', 'server/unread-answers', 'that are not read count'),
  nodeMutant('137-unread-for-ever.patch', 'server/unread-answers', 'are cut off after a second'),
  socketMutant('134-handshake-unchecked.patch', 'transport', 'when it is no handshake'),
  nodeMutant(
    '141-pace-of-encoded-bytes.patch',
    'broker/fan-out/pacing',
    'keys and data are counted, not what encloses them',
  ),
  nodeMutant(
    '142-future-updates-count.patch',
    'stream/reshard',
    'a clock that was ahead and was set back keeps nobody from it',
  ),
  nodeMutant('151-bench-counts-twice.patch', 'cli/bench/verdict', 'records that are repeated'),
  nodeMutant('152-bench-reads-no-data.patch', 'cli/bench/bench-records', 'finds every byte'),
  nodeMutant('153-bench-clock-from-send.patch', 'cli/bench/put-load', 'from when it was due'),
  mutant('143-keyless-to-one-shard.patch', gtest('Keyless.*Evenly'), /FAILED/),
  mutant('144-repeat-spread-anew.patch', gtest('Reshards.NoRecordIsStoredTwice*'), /FAILED/),
  socketMutant('19-permission-at-connect.patch', 'access', 'acts on what is open when it changes'),
  socketMutant('20-token-logged.patch', 'access', 'that is wrong is refused wherever it comes'),
  nodeMutant(
    '161-prefix-anywhere.patch',
    'server/access/permissions',
    'are what an oracle finds by looking at all of them',
  ),
  nodeMutant('162-any-algorithm.patch', 'server/access/jwt-verifier', 'with a longer hash'),
  socketMutant('163-expiry-ignored.patch', 'access', 'ends its connection in mid-stream'),
  socketMutant('164-iterator-for-everybody.patch', 'access', 'with an iterator of somebody else'),
  socketMutant('165-put-unchecked.patch', 'access', 'is denied without telling'),
  socketMutant('166-wrong-file-taken.patch', 'access', 'keeps its rules when it is broken'),
  nodeMutant('167-replaced-key-holds.patch', 'server/access/jwt-verifier', 'holds no longer when'),
  nodeMutant(
    '168-late-change-let-in.patch',
    'server/access/late-changes',
    'that was taken back meanwhile is turned away',
  ),
  nodeMutant(
    '190-trickle-counts-as-reading.patch',
    'server/unread-answers',
    'are cut off however often they take something',
  ),
  nodeMutant(
    '191-share-without-bound.patch',
    'server/unread-answers',
    'is all that one principal gets',
  ),
  nodeMutant(
    '192-right-token-locked-out.patch',
    'server/access/gate',
    'does not keep a static token out that is right',
  ),
  nodeMutant(
    '193-network-of-single-addresses.patch',
    'server/address-block',
    'connections of a net',
  ),
  nodeMutant(
    '194-limits-before-the-check.patch',
    'server/access/late-changes',
    'keep to the limit of all connections',
  ),
  nodeMutant(
    '195-credit-without-rate.patch',
    'server/connections',
    'beyond its rate of frames, and others go on',
  ),
  nodeMutant(
    '196-one-budget-of-audit.patch',
    'server/access/gate',
    'does not hide from the audit what is denied',
  ),
  nodeMutant('197-sockets-without-files.patch', 'server/descriptors', 'are told in the log'),
  nodeMutant('198-memory-not-shed.patch', 'server/overload', 'refuses requests and connections'),
  nodeMutant('199-late-loop-lets-in.patch', 'server/overload', 'lets nobody more in'),
  nodeMutant(
    '200-flood-keeps-others-out.patch',
    'server/connect-rates',
    'keeps no other address out',
  ),
  nodeMutant('201-connects-without-rate.patch', 'server/connect-rates', 'refused with 429, before'),
  nodeMutant(
    '216-waiters-square.patch',
    'server/unread-answers',
    'is one look at each that is slow',
  ),
  nodeMutant(
    '217-sockets-without-share.patch',
    'server/socket-shares',
    'says nothing gets a share',
  ),
  nodeMutant('218-loop-delay-plain-mean.patch', 'server/overload', 'as much as it is long'),
  nodeMutant('219-freeing-shed.patch', 'server/overload', 'carries out what frees memory'),
  nodeMutant(
    '220-spared-without-sum.patch',
    'server/connect-rates',
    'gets no more beside the rate than it once more',
  ),
  nodeMutant('221-over-takes-more.patch', 'server/connections', 'when it has its answers'),
  nodeMutant('171-origin-unchecked.patch', 'server/admission', 'of loopback pages is refused'),
  nodeMutant('172-rebound-host-let-in.patch', 'server/admission', 'is refused there, too'),
  nodeMutant(
    '173-private-key-for-the-group.patch',
    'server/tls/tls-files',
    'where the key is for others to read',
  ),
  nodeMutant(
    '174-name-between-commas.patch',
    'server/tls/peer-certificate',
    'the names of a certificate',
  ),
  socketMutant('175-refused-upgrade-kept.patch', 'tls', 'keeps no connection of an upgrade'),
  socketMutant('176-certificate-outlived.patch', 'tls-clients', 'ends connections with the cert'),
  nodeMutant(
    '145-newest-counts-for-the-cut.patch',
    'stream/size-retention',
    'the newest batch of a shard stays, and others make up for it',
  ),
  mutant('181-lost-format-is-fresh.patch', bitRot, rot),
  nodeMutant(
    '210-refused-token-ends.patch',
    'client/token-refused',
    'that is refused is followed by others',
  ),
  nodeMutant(
    '211-token-waited-for-ever.patch',
    'client/token-refused',
    'is asked again when its time is over',
  ),
  nodeMutant(
    '212-renewal-tried-once.patch',
    'client/token-renewal',
    'is shown again where it was refused',
  ),
  nodeMutant('213-cut-slice-read-on.patch', 'client/connection', 'and ends before those behind it'),
  nodeMutant('214-plain-token.patch', 'client/plain-token', 'does not go to'),
  nodeMutant(
    '215-access-file-unlocked.patch',
    'cli/file-lock',
    'none of them loses what another wrote',
  ),
  nodeMutant(
    '230-sample-of-every-look.patch',
    'stream/scaling/heat',
    'has few samples and the right rates, however often it is asked',
  ),
  nodeMutant('231-split-without-end.patch', 'stream/reshard', 'with 10,000 open shards is refused'),
]
