import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runChild, temporaryDirectory } from './harness.ts'

// The sanitizer's own preloaded library must come first, and this test preloads another.
const sanitized = process.env['LD_PRELOAD']?.includes('libasan') ?? false
if (sanitized) console.warn('SKIPPED failure.test.ts (it cannot run under a preloaded sanitizer)')

it.runIf(process.platform === 'linux' && !sanitized)(
  'whoever waits for an acknowledgement or for records is told that the shard failed',
  async () => {
    const directory = temporaryDirectory()
    const preload = join(directory, 'fail-sync.so')
    const source = fileURLToPath(new URL('children/fail-sync.c', import.meta.url))
    execFileSync('cc', ['-shared', '-fPIC', '-o', preload, source, '-ldl'])
    const result = await runChild('failing-sync.mjs', [join(directory, 'log')], {
      environment: { LD_PRELOAD: preload, MILLRACE_FAIL: join(directory, 'fail') },
    })
    expect(result).toMatchObject({ code: 0, signal: null })
    const told = JSON.parse(result.stdout)
    expect(told).toMatchObject({
      answers: ['LOG_FAILED'],
      tail: 'LOG_FAILED',
      acknowledged: 'LOG_FAILED',
      afterwards: 'LOG_FAILED',
      acknowledgedAfterwards: 'LOG_FAILED',
      first: 'resolved',
    })
  },
)
