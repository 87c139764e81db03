/** Whether this machine can run a broker: Node, libc, and the two binaries that it loads. */

import { inspectBinary } from '../../server/uws-binary.ts'
import { CliError } from '../exit-codes.ts'
import { loadLog } from '../load-log.ts'
import { type Check, failed, ok, warning } from './check.ts'

/** Two versions with a major and a minor number: whether the first is at least the second. */
function isAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number)
  return major === wantedMajor ? minor >= wantedMinor : major > wantedMajor
}

const nodeMin = '20.17'
/** uWebSockets.js: what its binaries for Node 22 and later are linked to. */
const glibcMinOfNewNode = '2.38'

export function checkNode(version: string = process.versions.node): Check {
  if (isAtLeast(version, nodeMin)) return ok('node', version)
  return failed('node', `${version} is older than ${nodeMin}`, `Install Node ${nodeMin} or newer.`)
}

/** The version of glibc that runs this process, or undefined where it is another libc. */
function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean }
  // Else the report looks up the names of all network addresses, which can take seconds.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime
}

export function checkLibc(
  node: string = process.versions.node,
  platform: string = process.platform,
  glibc: string | undefined = glibcVersion(),
): Check {
  if (platform !== 'linux') return ok('libc', `of ${platform}`)
  if (glibc === undefined) {
    return failed(
      'libc',
      'no glibc: uWebSockets.js has no binary for musl',
      'Use a distribution with glibc, such as Debian or Ubuntu.',
    )
  }
  if (isAtLeast(node, '22.0') && !isAtLeast(glibc, glibcMinOfNewNode)) {
    return failed(
      'libc',
      `glibc ${glibc} is too old for uWebSockets.js on Node ${node}`,
      `Use Node 20, or glibc ${glibcMinOfNewNode} or newer (Debian 13, Ubuntu 24.04).`,
    )
  }
  return ok('libc', `glibc ${glibc}`)
}

/** Whether the binary of the WebSocket server is there, and one that was reviewed. */
export function checkUws(): Check {
  const name = 'uWebSockets.js'
  try {
    const { file, sha256, isKnown } = inspectBinary()
    const detail = `${file.split('/').at(-1)}, SHA-256 ${sha256.slice(0, 12)}…`
    if (isKnown) return ok(name, detail)
    return warning(
      name,
      `${detail} is no binary that was reviewed`,
      'Install again from the lockfile: npm ci',
    )
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return failed(name, reason, 'Use Node 20, 22 or 24, and install again: npm ci')
  }
}

export async function checkAddon(): Promise<Check> {
  try {
    await loadLog()
    return ok('native addon', 'loads')
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return failed('native addon', error.message, error.hint)
  }
}
