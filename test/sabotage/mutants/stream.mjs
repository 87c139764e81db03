// Bugs of streams: reshards, retention, scaling.
import { vitestMutants } from './kinds.mjs'

export const stream = vitestMutants('test/unit/stream', [
  ['22-retention-on-the-wall-clock', 'retention', 'a clock that leaps trims nothing early'],
  ['82-children-numbered-low', 'reshard', 'ends are last records'],
  ['83-closed-without-seal', 'reshard-crash', 'wherever it is cut'],
  ['84-snapshot-forgets-reshard', 'catalog-state', 'a snapshot has a reshard at each of its steps'],
  ['91-longer-period-revives', 'retention', 'does not come back with a longer period'],
  ['92-expired-shard-deleted-first', 'retention', 'shards go completely or not at all'],
  ['95-steps-unwritten', 'retention-clock', 'whatever the clock does'],
  ['111-hot-for-a-moment', 'scaling/plan', 'was hot in one half of the window alone'],
  ['112-cool-down-skipped', 'scaling/plan', 'waits for the end of the cool-down'],
  ['113-hot-key-split-for-ever', 'scaling/scaling', 'is reported once, and not split for ever'],
  ['114-merged-by-the-last-look', 'scaling/plan', 'are not when one was warm within the window'],
  ['115-merged-below-the-peak', 'scaling/plan', 'are as many as carry twice what came at the most'],
  [
    '116-replaced-twice',
    'scaling/scaling',
    'a plan of shards that are closed by now begins nothing',
  ],
  ['117-failure-without-rest', 'scaling/scaling', 'the split is tried again after a rest'],
  ['487-look-left-behind', 'scaling/scaling', 'a close waits for a look'],
  ['118-centre-ignored', 'scaling/scaling', 'where the load of the last records is halved'],
  [
    '142-future-updates-count',
    'reshard',
    'a clock that was ahead and was set back keeps nobody from it',
  ],
  [
    '145-newest-counts-for-the-cut',
    'size-retention',
    'the newest batch of a shard stays, and others make up for it',
  ],
  [
    '230-sample-of-every-look',
    'scaling/heat',
    'has few samples and the right rates, however often it is asked',
  ],
  ['231-split-without-end', 'reshard', 'with 10,000 open shards is refused'],
])
