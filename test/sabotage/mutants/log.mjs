// Bugs of the native core, of what it writes and of the views that it hands out.
import { mutant, vitestMutants } from './kinds.mjs'

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

export const log = [
  mutant('01-ack-before-sync', powerCut, early),
  mutant('02-no-directory-sync', powerCut, lost),
  mutant('03-retry-failed-sync', callFault, early),
  mutant('04-unproven-tail', powerCut, lost),
  mutant('05-crc-without-header', bitRot, rot),
  mutant('06-cut-corruption', bitRot, rot),
  mutant('07-all-zero-header', gtest('*Recovery*'), /FAILED/),
  mutant('08-reused-number', crashWriter, /violation:/),
  mutant('09-visible-before-durable', powerCut, lost),
  mutant('10-forgotten-producers', powerCut, /repeat/),
  mutant('14-truncate-mapped-file', gtest('MappedFiles*'), /was cut/),
  mutant('15-unmap-without-detach', heldView, /killed by SIG(?:SEGV|BUS)|changed under its holder/),
  mutant('16-no-lock-file', gtest('CoreTest.OneOwner*'), /kLogLocked/),
  mutant('21-position-of-32-bits', gtest('Bounds/LargePositions*'), /FAILED/),
  mutant('23-seal-before-sync', powerCut, lost),
  mutant('24-header-copy-unsynced', gtest('DurableOrder*'), /LOST/),
  mutant('25-marker-proves-nothing', bitRot, rot),
  mutant('26-read-without-checksum', bitRot, rot),
  mutant('27-free-before-manifest', gtest('DurableOrder*'), /LOST/),
  mutant('28-manifest-unsynced', powerCut, lost),
  mutant('29-stale-verified-end', powerCut, lost),
  mutant('30-recycle-while-mapped', gtest('MappedFiles*'), /changed under its reader/),
  // What the failed round was to write stands where the next one finds it.
  mutant('31-acks-after-failed-sync', callFault, /broken invariant: handed_|acknowledged before/),
  mutant('32-synced-upto-of-32-bits', gtest('Bounds/LargePositions*'), /does not become less/),
  mutant('33-batch-of-another-shard', gtest('*Recovery*'), /FAILED/),
  mutant('34-batch-of-an-earlier-life', gtest('*Recovery*'), /FAILED/),
  mutant('35-seal-without-checksum', gtest('DurableOrder*'), lost),
  mutant('36-torn-tail-left', gtest('DurableOrder*'), lost),
  mutant('37-trimmed-view-attached', heldView, /can still be read/),
  mutant('38-manifest-written-once', bitRot, rot),
  mutant('40-staged-behind-visible', gtest('SegmentWriter*'), /FAILED/),
  mutant('45-unconfirmed-syncs', gtest('AbortedJournal*'), lost),
  mutant('46-unconfirmed-manifest', gtest('AbortedJournal*'), lost),
  mutant('47-unconfirmed-repair', gtest('AbortedJournal*'), lost),
  mutant('48-listing-unchecked', gtest('CoreFaultsTest.RefusesToOpenWhenTheSeg*'), /FAILED/),
  mutant('49-producers-behind-a-lost-seal', gtest('CoreFaults*'), /FAILED/),
  mutant('50-free-file-taken-over', gtest('DurableOrder*'), lost),
  mutant('51-served-beyond-the-recorded-end', gtest('RecoveryMisplaced*'), /FAILED/),
  mutant('87-second-begins-anew', gtest('BudgetTest.NoSecond*'), /FAILED/),
  mutant('98-salt-not-drawn', gtest('NoncesTest.*Crashes*'), /FAILED/),
  mutant('99-counter-begins-anew', gtest('NoncesTest.*Crashes*'), /FAILED/),
  mutant('100-header-not-authenticated', gtest('EncryptionTest.FindsEveryByte*'), /FAILED/),
  mutant('101-plain-text-without-key', gtest('EncryptionTest.NeverAppends*'), /FAILED/),
  mutant('143-keyless-to-one-shard', gtest('Keyless.*Evenly'), /FAILED/),
  mutant('144-repeat-spread-anew', gtest('Reshards.NoRecordIsStoredTwice*'), /FAILED/),
  mutant('243-new-keyless-taken', gtest('Keyless.*'), /FAILED/),
  mutant('181-lost-format-is-fresh', bitRot, rot),
  mutant('307-last-page-shared', gtest('AlignedCommits.Keep*'), /FAILED/),
  mutant('350-manifest-needs-room', gtest('NoRoomTest.WhatFoundNoRoom*'), /FAILED/),
  mutant('351-trim-forgotten', gtest('NoRoomTest.WhatFoundNoRoom*'), /FAILED/),
  mutant('352-room-at-the-first-record', gtest('NoRoomTest.AnOpenKeepsRoom*'), /FAILED/),
  mutant('353-room-ahead-first', gtest('NoRoomTest.NoMoreIsAskedFor*'), /FAILED/),
  mutant('354-room-at-one-go', gtest('NoRoomTest.WhatIsLeft*'), /FAILED/),
  mutant('355-trims-in-any-order', gtest('NoRoomTest.TrimsThatFree*'), /FAILED/),
  mutant('356-trims-all-or-none', gtest('NoRoomTest.TrimsThatFree*'), /FAILED/),
  mutant('357-spares-before-trims', gtest('NoRoomTest.SpareSegments*'), /FAILED/),
  mutant('358-closed-before-there-is-room', gtest('NoRoomTest.AShardThat*'), /FAILED/),
  mutant('359-full-disk-stays-shut', gtest('FullDiskOpenTest.*'), /FAILED/),
  mutant('360-stale-records-come-back', gtest('FullDiskOpenTest.WhatFollows*'), /FAILED/),
  mutant('402-first-copy-counts-for-both', gtest('NoRoomTest.WhatARefused*'), /FAILED/),
  mutant('403-any-reason-is-a-full-disk', gtest('FullDiskOpenTest.ACopyThatCannot*'), /FAILED/),
  mutant('404-zeros-behind-are-damage', gtest('FullDiskOpenTest.ZerosBehind*'), /FAILED/),
  mutant('405-half-a-mark-stays', gtest('FullDiskTest.AClose*'), /FAILED/),
  mutant('406-maps-never-given-up', gtest('LimitsTest.FewMaps*'), /FAILED/),
  mutant('407-what-is-not-there-must-go', gtest('LimitsTest.AMachine*'), /FAILED/),
  mutant('480-maps-for-descriptors', gtest('MapsOfReadersTest.Stay*'), /FAILED/),
  mutant('481-maps-given-up-once', gtest('MapsOfReadersTest.AreGivenUp*'), /FAILED/),
  mutant('361-retry-left-to-chance', gtest('CommitterTest.TriesTrimsAgain*'), /FAILED/),
  mutant('536-rounds-before-the-listener', gtest('ListenerTurnOfLogTest.ARoundBegins*'), /FAILED/),
  mutant('537-waits-for-another-processor', gtest('ListenerTurnTest.*OnAnother*'), /FAILED/),
  mutant('538-wait-not-ended', gtest('ListenerTurnTest.WaitsUntil*'), /FAILED/),
  mutant('539-waits-for-who-has-gone', gtest('ListenerTurnOfLogTest.ARoundWaitsForNo*'), /FAILED/),
  ...vitestMutants('test/unit/log', [
    ['370-turn-for-each-answer', 'wake-turns', 'wakes in the same turn'],
    ['371-turn-without-end', 'wake-turns', 'leaves the rest to another turn'],
  ]),
  ...vitestMutants('test/seam', [
    ['300-scrub-of-all-shards', 'scrub', 'names each damaged batch'],
    ['301-scrub-without-pace', 'scrub', 'keeps to its pace'],
    ['302-damage-not-kept', 'scrub', 'finds what is damaged and counts it'],
    ['303-scrub-saves-nothing-up', 'scrub', 'finds what is damaged and counts it'],
    ['304-append-reads-later', 'lent-bytes', 'those of an append'],
    ['305-put-reads-later', 'lent-bytes', 'those of a put'],
    ['540-event-loop-unheard', 'wake-ups', 'before the next group commit'],
  ]),
  ...vitestMutants('test/e2e', [
    ['306-frame-read-later', 'lent-frames', 'nothing of it is read later'],
  ]),
]
