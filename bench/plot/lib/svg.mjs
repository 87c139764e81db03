// SVG as text: elements, scales, and the frame that all figures share. The same figures make the
// same text.
const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

export const escapeText = (text) => String(text).replace(/[&<>"]/g, (it) => entities[it])

/** Positions have a tenth of a pixel: enough to see, and short. */
const attribute = (value) =>
  typeof value === 'number' ? String(Math.round(value * 10) / 10) : escapeText(value)

/** An element with attributes and children, which are elements already. */
export function element(name, attributes, ...children) {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${attribute(value)}"`)
  const inside = children.flat().join('')
  return inside === ''
    ? `<${name}${list.join('')}/>`
    : `<${name}${list.join('')}>${inside}</${name}>`
}

/** Words at a place; `more` has `class` and `text-anchor`. */
export const words = (x, y, text, more = {}) => element('text', { x, y, ...more }, escapeText(text))

export const line = (x1, y1, x2, y2, kind) => element('line', { x1, y1, x2, y2, class: kind })

/** Values between `from` and `to`, both above 0, to positions between `start` and `end`. */
export function logScale(from, to, start, end) {
  const span = Math.log10(to) - Math.log10(from)
  return (value) => start + ((Math.log10(value) - Math.log10(from)) / span) * (end - start)
}

export function linearScale(from, to, start, end) {
  return (value) => start + ((value - from) / (to - from)) * (end - start)
}

/** The powers of ten around values, and those between. */
export function decades(values) {
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))))
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
}

/** A logarithmic scale around values, from left to right of `area`: its ticks, and where they are. */
export function logAxis(values, area) {
  const ticks = decades(values)
  return { ticks, x: logScale(ticks[0], ticks.at(-1), area.left, area.right) }
}

/** Lines down from the words of each tick, above `top`, to `bottom`. */
export const axisLines = ({ ticks, x }, top, bottom, format) =>
  ticks.flatMap((tick) => [
    line(x(tick), top - 16, x(tick), bottom - 16, 'grid'),
    words(x(tick), top - 22, format(tick), { class: 'quiet', 'text-anchor': 'middle' }),
  ])

/** Steps of 1, 2 or 5 from 0 to above a value, about four of them. */
export function steps(most) {
  const size = 10 ** Math.floor(Math.log10(most / 4))
  const step = [1, 2, 5, 10].map((it) => it * size).find((it) => most / it <= 5)
  const count = Math.ceil(most / step)
  return Array.from({ length: count + 1 }, (_, i) => i * step)
}

// The colours of text and surface follow the reader's; those of marks stand out on both.
const style = `
svg { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
.surface { fill: #ffffff; stroke: #d0d7de }
.title { font-size: 16px; font-weight: 600; fill: #1f2328 }
.text { fill: #1f2328 }
.quiet { fill: #59636e }
.halo { stroke: #ffffff; stroke-width: 4; paint-order: stroke; stroke-linejoin: round }
.grid { stroke: #d8dee4 }
.link { stroke: #8c959f; stroke-width: 2 }
.ours { fill: #0969da; stroke: #0969da }
.also { fill: #8250df; stroke: #8250df }
.theirs { fill: #6e7781; stroke: #6e7781 }
.path { fill: none; stroke-width: 2.5 }
.dashed { stroke-dasharray: 5 4 }
text.label { stroke: none; font-weight: 600 }
@media (prefers-color-scheme: dark) {
.surface { fill: #0d1117; stroke: #30363d }
.title, .text { fill: #e6edf3 }
.quiet { fill: #9198a1 }
.halo { stroke: #0d1117 }
.grid { stroke: #262c36 }
.link { stroke: #6e7681 }
.ours { fill: #4493f8; stroke: #4493f8 }
.also { fill: #ab7df8; stroke: #ab7df8 }
.theirs { fill: #9198a1; stroke: #9198a1 }
}
`

/** How far from the left everything stands that is not part of a scale. */
export const margin = 20

/**
 * A figure with its title, a line below it, and where its numbers come from.
 *
 * @param about `title`, `subtitle`, `source`, `files`, `width`, `height`; `description` is for
 *   those who hear it.
 */
export function figure(about, ...children) {
  const { title, subtitle, description, source, files, width, height } = about
  const frame = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 6, class: 'surface' }
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
    },
    element('title', {}, escapeText(title)),
    element('desc', {}, escapeText(description)),
    element('metadata', {}, escapeText(files.join(' '))),
    `<style>${style}</style>`,
    element('rect', frame),
    words(margin, 30, title, { class: 'title' }),
    words(margin, 50, subtitle, { class: 'quiet' }),
    ...children,
    words(margin, height - 14, source, { class: 'quiet', 'font-size': 11 }),
  ).replaceAll(/(<(?:g|text|rect|line|path|circle|style|desc|metadata)[ >])/g, '\n$1')}\n`
}
