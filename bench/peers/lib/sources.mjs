// Where peers come from: packages of npm, Debian, Go and Maven, by the ordinary clients, into a
// cache outside of the checkout. What is there already is not fetched again.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runProgram } from './programs.mjs'

const installSeconds = 300
const compileSeconds = 900

/** Peers of earlier runs; MILLRACE_BENCH_CACHE names another folder. */
export function cacheDirectory(env = process.env) {
  const caches = env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return env.MILLRACE_BENCH_CACHE || join(caches, 'millrace-bench')
}

/** A peer that is not there, and why. */
export class Absent extends Error {}

/**
 * Runs `install` in a folder of the cache, unless it has been there with the same `wanted`; what an
 * install that failed has left is removed first. `cache` is `{ directory, mayInstall }`.
 *
 * @returns the folder.
 * @throws {Absent} when it is not there and `cache.mayInstall` is false.
 */
async function once(cache, name, wanted, install) {
  const directory = join(cache.directory, name)
  const stamp = join(directory, 'installed.json')
  const text = `${JSON.stringify(wanted)}\n`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === text) return directory
  if (!cache.mayInstall) throw new Absent('not installed; npm run bench:peers installs it')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  await install(directory)
  writeFileSync(stamp, text)
  return directory
}

/** A package of npm with its dependencies; the folder of the package. */
export async function fromNpm(cache, name, version) {
  const directory = await once(cache, `npm-${name}`, { name, version }, async (prefix) => {
    const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    const command = ['npm', 'install', '--prefix', prefix, ...flags, `${name}@${version}`]
    await runProgram(command, { seconds: installSeconds, cwd: prefix })
  })
  return join(directory, 'node_modules', name)
}

/**
 * Packages of Debian, with those that they need and this system lacks, unpacked and not installed:
 * nothing is started, and the system stays as it is. Answers the folder that stands for `/`.
 */
export async function fromDebian(cache, names) {
  const directory = await once(cache, `debian-${names[0]}`, { names }, async (prefix) => {
    const archives = join(prefix, 'archives')
    mkdirSync(join(archives, 'partial'), { recursive: true })
    const options = [`Dir::Cache::archives=${archives}`, 'Debug::NoLocking=1']
    const flags = ['-y', '--download-only', '--no-install-recommends', '--reinstall']
    const set = options.flatMap((it) => ['-o', it])
    const seconds = installSeconds
    await runProgram(['apt-get', 'install', ...flags, ...set, ...names], { seconds })
    for (const file of readdirSync(archives).filter((it) => it.endsWith('.deb'))) {
      const command = ['dpkg-deb', '--extract', join(archives, file), join(prefix, 'root')]
      await runProgram(command, { seconds })
    }
    rmSync(archives, { recursive: true })
  })
  return join(directory, 'root')
}

/** Where programs that `fromDebian` has unpacked find their libraries. */
export const librariesOf = (root) =>
  ['usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'usr/lib']
    .map((it) => join(root, it))
    .join(':')

/** A program of a Go module, compiled; its path. */
export async function fromGo(cache, name, path, version) {
  const directory = await once(cache, `go-${name}`, { path, version }, async (prefix) => {
    const env = { GOBIN: prefix }
    await runProgram(['go', 'install', `${path}@${version}`], { seconds: compileSeconds, env })
  })
  return join(directory, name)
}

/** A project that needs these artifacts and has nothing of its own. */
export function pomOf(artifacts) {
  const dependencies = artifacts.map((artifact) => {
    const [group, name, version] = artifact.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId>
<version>${version}</version></dependency>`
  })
  return `<project><modelVersion>4.0.0</modelVersion>
<groupId>bench</groupId><artifactId>peer</artifactId><version>1</version>
<dependencies>
${dependencies.join('\n')}
</dependencies></project>
`
}

/** Jars of Maven artifacts (`group:name:version`) and what they need; a class path. */
export async function fromMaven(cache, name, artifacts) {
  const directory = await once(cache, `maven-${name}`, { artifacts }, async (prefix) => {
    writeFileSync(join(prefix, 'pom.xml'), pomOf(artifacts))
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${join(prefix, 'jars')}`]
    await runProgram(['mvn', '-q', '-B', ...goal], { seconds: installSeconds, cwd: prefix })
  })
  return join(directory, 'jars', '*')
}
