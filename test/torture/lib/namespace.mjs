// A private world for a run: mounts and processes that vanish with it, even when it is killed in
// the middle.
import { spawnSync } from 'node:child_process'
import { hasTool, needRoot } from './machine.mjs'
import { start } from './processes.mjs'

const MARK = 'MILLRACE_TORTURE_NAMESPACE'

export function insideNamespace() {
  return process.env[MARK] === '1'
}

// Whether a private world can be had: it takes root and util-linux, and containers may forbid it.
export function namespaceAvailable() {
  if (needRoot() !== null || !hasTool('unshare') || !hasTool('setpriv')) return false
  return spawnSync('unshare', [...UNSHARE, 'true'], { stdio: 'ignore' }).status === 0
}

// --kill-child ends the whole process namespace with its first process, and with it the mount
// namespace; loop devices detach themselves because they are mounted with autoclear.
const UNSHARE = ['--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--mount-proc']

// Runs this very command line again in a namespace of its own; answers its exit status.
export async function runInNamespace(argv) {
  const child = start(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...UNSHARE, process.execPath, ...argv],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } },
  )
  // The terminal sends its interrupt to the inner process as well, which tidies up and ends; a
  // plain kill of this process reaches only us, so it is turned into the end of the namespace.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'))
  const { code, error } = await child.ended
  if (error !== null) throw error
  return code ?? 1
}
