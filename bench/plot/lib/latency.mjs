// Latency percentiles: from when a put was due to when its push was received (L1 to L3), beside a
// raw server under the same load.

import { filesOf, rowsOf, sourceOf } from './reports.mjs'
import { axisLines, element, figure, line, logAxis, margin, words } from './svg.mjs'

const width = 720
const area = { left: 250, right: 670, top: 96 }
const rowHeight = 24
const groupGap = 16
/** Nearer to the next one than this, a label would be written over it. */
const labelWidth = 30
const percentiles = ['p50', 'p99', 'p99.9']
const percentile = /, (p[\d.]+)$/

const isTime = (row) => row.unit === 'us' && percentile.test(row.name)

/** The loads of the rows, each with the percentiles of ours and of the raw server. */
function loadsOf(rows) {
  const names = [...new Set(rows.map((row) => row.name.replace(percentile, '')))]
  return names.map((name) => {
    const own = percentiles.map((it) => rows.find((row) => row.name === `${name}, ${it}`))
    const all = own.filter((row) => row !== undefined)
    const raw = all.filter((row) => row.limit?.name.startsWith('raw'))
    return {
      name: name.replace('put to push, ', ''),
      durability: all[0].params.durability,
      series: [
        { name: 'Millrace', kind: 'ours', values: all.map((row) => row.value) },
        { name: 'raw uWebSockets', kind: 'theirs', values: raw.map((row) => row.limit.value) },
      ].filter((it) => it.values.length === percentiles.length),
    }
  })
}

/** 1234 -> '1.2 ms'. */
export function formatMicros(value) {
  if (value < 1000) return `${Math.round(value)} us`
  return value < 10_000 ? `${(value / 1000).toFixed(1)} ms` : `${Math.round(value / 1000)} ms`
}

function drawSeries({ name, kind, values }, x, y) {
  const at = values.map((value) => x(value))
  const dots = values.map((value, i) =>
    element(
      'circle',
      { cx: at[i], cy: y, r: [5, 4.5, 4][i], class: kind },
      element('title', {}, `${name}, ${percentiles[i]}: ${formatMicros(value)}`),
    ),
  )
  return [
    words(area.left - 16, y + 4, name, { class: `${kind} label`, 'text-anchor': 'end' }),
    line(at[0], y, at.at(-1), y, 'link'),
    ...dots,
    words(at.at(-1) + 10, y + 4, formatMicros(values.at(-1)), {
      class: 'quiet halo',
      'font-size': 11,
    }),
  ]
}

function drawLoads(loads, x) {
  const parts = []
  let y = area.top + 8
  for (const { name, durability, series } of loads) {
    parts.push(
      words(margin, y + 4, `${name.replace(/^disk, /, '')}, ${durability}`, { class: 'text halo' }),
    )
    y += rowHeight
    const [first] = series
    for (const [i, value] of first.values.entries()) {
      const next = first.values[i + 1]
      if (next !== undefined && x(next) - x(value) < labelWidth) continue
      const about = { class: 'quiet halo', 'text-anchor': 'middle', 'font-size': 11 }
      parts.push(words(x(value), y - 10, percentiles[i], about))
    }
    for (const one of series) {
      parts.push(...drawSeries(one, x, y))
      y += rowHeight
    }
    y += groupGap
  }
  return { parts, bottom: y }
}

/** The figure as SVG, or undefined where no report has what it shows. */
export function latencyFigure(reports) {
  const rows = ['L1', 'L2', 'L3'].flatMap((id) => rowsOf(reports, id, isTime))
  const loads = loadsOf(rows).filter((it) => it.series.length > 0)
  if (loads.length === 0) return undefined
  const axis = logAxis(
    loads.flatMap((it) => it.series.flatMap((one) => one.values)),
    area,
  )
  const { parts, bottom } = drawLoads(loads, axis.x)
  return figure(
    {
      title: 'From a put to its push',
      subtitle:
        'Median, 99th and 99.9th percentile, open loop, records of 100 B, logarithmic scale',
      description: loads
        .map((it) => `${it.name}: ${it.series[0].values.map(formatMicros).join(', ')}`)
        .join('. '),
      source: sourceOf(rows),
      files: filesOf(rows),
      width,
      height: bottom + 24,
    },
    axisLines(axis, area.top, bottom, formatMicros),
    parts,
  )
}
