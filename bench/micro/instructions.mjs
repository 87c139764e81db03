// Instructions that the hot kernels take for a record, counted by callgrind: a figure that no other
// work on the machine changes. The processor that callgrind plays has no AVX-512, so kernels with
// that are not chosen. Needs valgrind, and says so where it is missing.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { addRow, pick, printReport, Series, sizeName, withScratch } from './harness.mjs'

const program = join(process.env.MILLRACE_BENCH_BINARIES ?? 'build-release', 'kernel_calls')
const counted = 'millrace::bench::CountedCalls*'
const recordsPerCall = 500
const calls = pick(400, 100, 2)
const sizes = pick([100, 1024], [100], [100])

const kernels = [
  { kernel: 'scan', name: 'scan of a request' },
  { kernel: 'scan-and-route', name: 'scan, MD5 and route over 4 shards' },
  { kernel: 'copy-and-checksum', name: 'copy and checksum of a batch' },
  { kernel: 'append', name: 'append of a batch' },
  { kernel: 'put', name: 'PutRecords over 4 shards, all of it' },
]

const hasValgrind = () => {
  try {
    execFileSync('valgrind', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Instructions of all calls; throws when they have not handled every record. */
function count(directory, kernel, recordBytes) {
  const output = join(directory, 'callgrind.out')
  const tool = ['--tool=callgrind', '--quiet', `--callgrind-out-file=${output}`]
  const only = ['--collect-atstart=no', `--toggle-collect=${counted}`]
  const load = ['--kernel', kernel, '--calls', calls, '--record-bytes', recordBytes]
  const args = [...tool, ...only, program, ...load, '--dir', directory].map(String)
  const { records } = JSON.parse(execFileSync('valgrind', args, { encoding: 'utf8' }))
  const instructions = Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(output, 'utf8'))?.[1])
  if (!(instructions > 0)) throw new Error(`callgrind counted nothing in ${counted}`)
  if (records !== calls * recordsPerCall) throw new Error(`${kernel}: ${records} records`)
  return instructions
}

function measure(directory, { kernel, name }) {
  for (const recordBytes of sizes) {
    const records = calls * recordsPerCall
    const figure = new Series()
    figure.add(count(directory, kernel, recordBytes) / records)
    addRow(`${name}, ${recordsPerCall} x ${sizeName(recordBytes)}`, figure, 'instructions/record', {
      params: { kernel, recordBytes, recordsPerCall, calls },
      check: `${records} records handled in the counted calls`,
    })
  }
}

if (hasValgrind()) {
  await withScratch((directory) => {
    for (const kernel of kernels) measure(directory, kernel)
  })
  printReport()
} else {
  printReport({ skipped: 'valgrind is not installed (Debian: apt-get install valgrind)' })
}
