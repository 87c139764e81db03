// Peers as text: beside a row in the terminal, and in the tables of the README.
import { formatBars } from '../../lib/bars.mjs'
import { formatValue, threeDigits } from '../../lib/values.mjs'

const formatTimes = (ratio) => `${threeDigits(ratio)} x`

const formatGoal = (goal) => (goal === undefined ? '-' : formatBars(goal, (bar) => `${bar} x`))

const nameOf = ({ name, version }) => `${name} ${version}`

/** Less than this, and the load was what bound the peer. */
const idleShareMin = 0.1

const whatOf = ({ what, generatorIdleShare }) =>
  generatorIdleShare < idleShareMin ? `${what} (bound by its load)` : what

export const peerColumns = [
  'ours over theirs',
  'limit over theirs',
  'ours',
  'peer',
  'durability',
  'its figure',
  'by CPU time',
  'goal',
]

/**
 * What the limit of the row would be beside this peer: below the bar, where a server that does less
 * than ours could not reach it either. Of rates and of times alike, as both ratios are.
 */
const limitTimes = ({ limit }, { ratio }) =>
  limit?.ratio > 0 ? formatTimes(ratio / limit.ratio) : '-'

/** The cells of one peer of a row. */
export function peerCells(row, peer) {
  const ours = `${row.name}: ${formatValue(row.value, row.unit)}`
  if (peer.absent !== undefined) return ['-', '-', ours, peer.name, '-', 'absent', '-', peer.absent]
  return [
    formatTimes(peer.ratio),
    limitTimes(row, peer),
    ours,
    `${nameOf(peer)}: ${whatOf(peer)}`,
    `\`${peer.durability}\``,
    formatValue(peer.value, peer.unit),
    peer.ratioByCpuTime === undefined ? '-' : formatTimes(peer.ratioByCpuTime),
    formatGoal(peer.goal),
  ]
}

function peerLine(row, peer) {
  if (peer.absent !== undefined) return `against ${peer.name}: absent, ${peer.absent}`
  const { durability, value, unit, ratio, goal, check } = peer
  const verdict = goal === undefined ? '' : `, ${formatGoal(goal)}`
  return (
    `${row.name}: ${formatTimes(ratio)} ${nameOf(peer)}, ${durability}, ${whatOf(peer)}: ` +
    `${formatValue(value, unit)}${verdict}; ${check}`
  )
}

/** A line for each peer of each row. */
export const peerLines = (rows) =>
  rows.flatMap((row) => (row.peers ?? []).map((peer) => peerLine(row, peer)))

/** A line for each peer that ours is not as many times as it has to be. */
export const missedPeers = (rows) =>
  rows.flatMap((row) => {
    const below = (row.peers ?? []).filter((peer) => peer.goal?.verdict === 'below')
    return below.map((peer) => `${row.id}: ${row.name}, against ${nameOf(peer)}`)
  })
