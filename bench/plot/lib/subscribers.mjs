// Throughput against subscribers: what all of them get together (F1), with what a raw server sends.

import { formatValue } from '../../lib/values.mjs'
import { filesOf, rowsOf, sourceOf } from './reports.mjs'
import { element, figure, line, linearScale, steps, words } from './svg.mjs'

const width = 720
const height = 416
const area = { left: 64, right: 530, top: 84, bottom: 330 }

const byItself = /each batch by itself/

const bySubscribers = (rows) => rows.toSorted((a, b) => a.params.subscribers - b.params.subscribers)

/** Lines of the figure, each with its points. */
function linesOf(rows) {
  const waiting = bySubscribers(rows.filter((row) => !byItself.test(row.name)))
  const single = bySubscribers(rows.filter((row) => byItself.test(row.name)))
  const point = (value) => (row) => ({ subscribers: row.params.subscribers, value: value(row) })
  const lines = [
    { name: 'Millrace', kind: 'ours', points: waiting.map(point((row) => row.value)) },
    {
      name: 'Millrace, batch by batch',
      kind: 'also dashed',
      points: single.map(point((row) => row.value)),
    },
    {
      name: 'raw uWebSockets',
      kind: 'theirs',
      points: waiting.filter((row) => row.limit).map(point((row) => row.limit.value)),
    },
  ]
  return lines.filter((it) => it.points.length > 1)
}

/** Moves labels down where they would stand on one another. */
function spread(labels, distance) {
  const placed = []
  for (const label of labels.toSorted((a, b) => a.y - b.y)) {
    const above = placed.at(-1)
    const y = above === undefined ? label.y : Math.max(label.y, above.y + distance)
    placed.push({ ...label, y })
  }
  return placed
}

function drawLine({ kind, points }, x, y) {
  const at = points.map((it) => [x(it.subscribers), y(it.value)])
  const d = at
    .map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${px.toFixed(1)} ${py.toFixed(1)}`)
    .join('')
  const dots = at.map(([cx, cy]) => element('circle', { cx, cy, r: 4, class: kind.split(' ')[0] }))
  return [element('path', { d, class: `path ${kind}`, style: 'fill: none' }), ...dots]
}

function drawAxes(ticks, counts, x, y) {
  const rows = ticks.map((value) => [
    line(area.left, y(value), area.right, y(value), 'grid'),
    words(area.left - 8, y(value) + 4, value === 0 ? '0' : `${value / 1e6} M`, {
      class: 'quiet',
      'text-anchor': 'end',
    }),
  ])
  const columns = counts.map((count) =>
    words(x(count), area.bottom + 20, count.toLocaleString('en-US'), {
      class: 'quiet',
      'text-anchor': 'middle',
    }),
  )
  const middle = (area.left + area.right) / 2
  const name = words(middle, area.bottom + 40, 'subscribers of one shard', {
    class: 'quiet',
    'text-anchor': 'middle',
  })
  return [rows, columns, name]
}

/** The figure as SVG, or undefined where no report has what it shows. */
export function subscribersFigure(reports) {
  const rows = rowsOf(reports, 'F1')
  const lines = linesOf(rows)
  if (lines.length === 0) return undefined
  const counts = [...new Set(rows.map((row) => row.params.subscribers))].toSorted((a, b) => a - b)
  const ticks = steps(Math.max(...lines.flatMap((it) => it.points.map((point) => point.value))))
  const place = linearScale(0, counts.length - 1, area.left + 24, area.right - 24)
  const x = (count) => place(counts.indexOf(count))
  const y = linearScale(0, ticks.at(-1), area.bottom, area.top)
  const ends = lines.map((it) => ({ ...it, y: y(it.points.at(-1).value) + 4 }))
  const labels = spread(ends, 18).map((it) =>
    words(area.right - 8, it.y, it.name, { class: `${it.kind.split(' ')[0]} label` }),
  )
  const last = lines[0].points.at(-1)
  return figure(
    {
      title: 'Throughput against subscribers',
      subtitle:
        'Records a second that all subscribers get together, batches of 100 records of 100 B',
      description: `${lines[0].name}: ${formatValue(last.value, 'records/s')} to ${last.subscribers} subscribers.`,
      source: sourceOf(rows),
      files: filesOf(rows),
      width,
      height,
    },
    drawAxes(ticks, counts, x, y).flat(2),
    lines.flatMap((it) => drawLine(it, x, y)),
    labels,
  )
}
