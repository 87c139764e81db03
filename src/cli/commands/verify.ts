/** `millrace verify`: checks a data directory that nobody has open. */

import type { Command } from 'commander'
import type { ScrubReport } from '../../log/log.ts'
import { defineCommand, type Invocation, type Runner } from '../context.ts'
import { hasDataDirectory } from '../data-directory.ts'
import { CliError, type ExitCode, exitCodes } from '../exit-codes.ts'
import { loadLog } from '../load-log.ts'
import type { Output } from '../output.ts'
import { withProgress } from '../slow-work.ts'
import { formatBytes, formatCount, plural } from '../units.ts'

async function verifyDirectory({ config, output }: Invocation): Promise<ExitCode | undefined> {
  const { data } = config().values
  if (!hasDataDirectory(data)) {
    throw new CliError('FILE_UNREADABLE', `there is no data directory ${data}`, {
      hint: 'Name it: millrace verify --data DIR',
    })
  }
  const { verify } = await loadLog()
  const report = await withProgress(
    output,
    () => `verifying ${data}`,
    () => verify(data),
  )
  show(output, data, report)
  return report.damaged.length === 0 ? exitCodes.done : exitCodes.corruption
}

function show(output: Output, data: string, report: ScrubReport): void {
  const { segmentCount, batchCount, recordCount, bytes } = report
  const size =
    `${plural(segmentCount, 'segment')}, ${formatCount(batchCount)} batches, ` +
    `${plural(recordCount, 'record')}, ${formatBytes(bytes)}`
  output.show({ data, ...report }, () => [
    `${data}: ${size}`,
    ...(report.tornShards === 0
      ? []
      : [`${plural(report.tornShards, 'unfinished write')} that the next start cuts off`]),
    ...report.damaged.map(
      ({ shard, start, end, expectedSequenceNumber, nextSequenceNumber, reason }) =>
        `${output.style('red', 'damaged')} shard number ${shard}, positions ${start} to ${end}, ` +
        `sequence numbers ${expectedSequenceNumber} to before ${nextSequenceNumber}: ${reason}`,
    ),
    report.damaged.length === 0
      ? output.style('green', 'no damage found')
      : `${output.style('red', plural(report.damaged.length, 'damaged range'))}; ` +
        'everything else is intact',
  ])
}

export function addVerify(program: Command, runner: Runner): void {
  defineCommand(program, runner, {
    usage: 'verify',
    summary: 'check a data directory',
    purpose:
      'Check every batch of a data directory that no broker has open, without\n' +
      'changing anything. Exits 7 when damage is found.',
    examples: ['millrace verify --data ./millrace-data', 'millrace verify --json'],
    settings: ['data'],
    action: verifyDirectory,
  })
}
