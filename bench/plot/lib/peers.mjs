// Peers side by side: rows of ours that have peers, each with what they reached in the same run.
import { formatValue, threeDigits } from '../../lib/values.mjs'
import { filesOf, rowsOf, sourceOf } from './reports.mjs'
import { axisLines, element, figure, line, logAxis, margin, words } from './svg.mjs'

const width = 720
const area = { left: 250, right: 550, top: 96 }
const rowHeight = 24
const groupGap = 18

const benches = ['I1', 'I2', 'I4', 'I5', 'I6', 'E3', 'E4', 'E5']

/** What stands in one group: ours and the peers that were measured, the fastest first. */
function groupOf(row) {
  const measured = row.peers.filter((it) => it.absent === undefined)
  const ours = { name: 'Millrace', kind: 'ours', value: row.value, unit: row.unit }
  const theirs = measured
    .toSorted((a, b) => b.value - a.value)
    .map((it) => ({ ...it, name: nameOf(it), kind: 'theirs' }))
  const durability = row.params.durability ?? measured[0]?.durability
  return { name: `${row.name}, ${durability}`, marks: [ours, ...theirs] }
}

function drawMark({ name, kind, value, unit, ratio }, x, y) {
  const times = ratio === undefined ? '' : `, ours ${threeDigits(ratio)} x`
  return [
    words(area.left - 16, y + 4, name, { class: `${kind} label`, 'text-anchor': 'end' }),
    line(area.left, y, x(value), y, 'link'),
    element('circle', { cx: x(value), cy: y, r: 5, class: kind }),
    words(x(value) + 12, y + 4, `${formatValue(value, unit)}${times}`, { class: 'text halo' }),
  ]
}

/** In memory is less than any class that a row of ours has. */
const nameOf = ({ name, version, durability }) =>
  `${name} ${version}${durability === 'none' ? ', in memory' : ''}`

/** 1e6 -> '1 M'. */
const formatTick = (value) => {
  const [number, prefix] = formatValue(value, 'records/s').split(' ')
  return `${Number(number)} ${prefix === 'records/s' ? '' : prefix}`.trim()
}

function drawGroups(groups, x) {
  const parts = []
  let y = area.top + 8
  for (const { name, marks } of groups) {
    parts.push(words(margin, y + 4, name, { class: 'text halo' }))
    y += rowHeight
    for (const mark of marks) {
      parts.push(...drawMark(mark, x, y))
      y += rowHeight
    }
    y += groupGap
  }
  return { parts, bottom: y }
}

const hasMeasured = (row) => row.peers?.some((it) => it.absent === undefined)

/** The figure as SVG, or undefined where no report has peers. */
export function peersFigure(reports) {
  const rows = benches.flatMap((id) => rowsOf(reports, id, hasMeasured))
  if (rows.length === 0) return undefined
  const groups = rows.map(groupOf)
  const axis = logAxis(
    groups.flatMap((it) => it.marks.map((mark) => mark.value)),
    area,
  )
  const { parts, bottom } = drawGroups(groups, axis.x)
  return figure(
    {
      title: 'Beside others, in the same run',
      subtitle: 'Records of 100 B a second in the same class of durability, logarithmic scale',
      description: groups
        .map(
          ({ name, marks }) =>
            `${name}: ${marks.map((it) => `${it.name} ${formatValue(it.value, it.unit)}`).join(', ')}`,
        )
        .join('. '),
      source: sourceOf(rows),
      files: filesOf(rows),
      width,
      height: bottom + 24,
    },
    axisLines(axis, area.top, bottom, formatTick),
    parts,
  )
}
