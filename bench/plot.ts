/**
 * Curves over a common axis, as one HTML file with its drawing in it: nothing is loaded, and nothing runs. Panels
 * stand below each other, so that what happens in one can be seen in the others; marks go through all.
 */

export interface Plot {
  readonly title: string
  /** Lines of text above the panels. */
  readonly facts: readonly string[]
  readonly axis: string
  readonly panels: readonly Panel[]
  readonly marks: readonly Mark[]
}

export interface Panel {
  readonly title: string
  readonly unit: string
  /** Logarithmic: what is 0 or less is left out. */
  readonly scale: 'linear' | 'logarithmic'
  readonly curves: readonly Curve[]
}

export interface Curve {
  readonly name: string
  /** By x. `null`: nothing was measured there, and the line is interrupted. */
  readonly points: readonly (readonly [x: number, y: number | null])[]
}

export interface Mark {
  readonly x: number
  readonly label: string
}

const width = 1_100
const left = 90
const right = 20
const panelHeight = 170
const panelGap = 62
const markLabelHeight = 14
const ticksMax = 6
/** Told apart also by those who see no red or no green. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000']

interface Span {
  readonly from: number
  readonly to: number
}

export function renderPlot(plot: Plot): string {
  const xs = plot.panels.flatMap(({ curves }) =>
    curves.flatMap(({ points }) => points.map(([x]) => x)),
  )
  const span = spanOf([...xs, ...plot.marks.map(({ x }) => x)])
  const top = 20 + plot.marks.length * markLabelHeight
  const height = top + plot.panels.length * (panelHeight + panelGap)
  const panels = plot.panels.map((panel, n) =>
    renderPanel(panel, span, top + n * (panelHeight + panelGap)),
  )
  const bottom = height - panelGap
  const marks = plot.marks.map((mark, n) => renderMark(mark, n, span, bottom))
  const facts = plot.facts.map((fact) => `<p>${escaped(fact)}</p>`).join('\n')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(plot.title)}</title>
<style>
body { font: 14px sans-serif; margin: 24px; color: #222; background: #fff }
p { margin: 2px 0 }
text { font: 12px sans-serif; fill: #222 }
</style>
<h1>${escaped(plot.title)}</h1>
${facts}
<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
${marks.join('\n')}
${panels.join('\n')}
<text x="${width - right}" y="${height - panelGap + 32}" text-anchor="end">${escaped(plot.axis)}</text>
</svg>
</html>
`
}

function renderPanel({ title, unit, scale, curves }: Panel, span: Span, top: number): string {
  const isShown = (y: number | null): y is number => y !== null && (scale === 'linear' || y > 0)
  const ys = curves.flatMap(({ points }) => points.map(([, y]) => y).filter(isShown))
  const range = scale === 'linear' ? spanOf([0, ...ys]) : decadesOf(ys)
  const ticks = scale === 'linear' ? ticksOf(range) : decades(range)
  const xAt = placer(span, left, width - right)
  const yAt = (y: number): number =>
    scale === 'linear'
      ? placer(range, top + panelHeight, top)(y)
      : placer(logarithms(range), top + panelHeight, top)(Math.log10(y))
  const lines = curves.map(({ name, points }, n) => {
    const parts = points.map(([x, y]) => (isShown(y) ? `${round(xAt(x))},${round(yAt(y))}` : null))
    return `<path d="${pathOf(parts)}" fill="none" stroke="${colourOf(n)}" stroke-width="1.3"><title>${escaped(name)}</title></path>`
  })
  return [
    `<text x="${left}" y="${top - 8}" font-weight="bold">${escaped(`${title} (${unit})`)}</text>`,
    ...legendOf(curves, top - 8),
    ...ticks.map((y) => gridLine(yAt(y), figures(y))),
    ...ticksOf(span).map((x) => axisLabel(xAt(x), top + panelHeight, figures(x))),
    ...lines,
  ].join('\n')
}

function legendOf(curves: readonly Curve[], y: number): string[] {
  let x = left + 330
  return curves.map(({ name }, n) => {
    const entry = `<text x="${x}" y="${y}" style="fill:${colourOf(n)}">■ ${escaped(name)}</text>`
    x += 26 + 7 * name.length
    return entry
  })
}

function gridLine(y: number, label: string): string {
  const at = round(y)
  return `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${left - 6}" y="${round(y + 4)}" text-anchor="end">${label}</text>`
}

function axisLabel(x: number, bottom: number, label: string): string {
  const at = round(x)
  return `<line x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}" stroke="#888"/><text x="${at}" y="${bottom + 17}" text-anchor="middle">${label}</text>`
}

/** Each label on a line of its own, so that none covers another. */
function renderMark({ x, label }: Mark, n: number, span: Span, bottom: number): string {
  const at = round(placer(span, left, width - right)(x))
  const isLate = x > (span.from + span.to) / 2
  const anchor = isLate ? 'end' : 'start'
  const y = 14 + n * markLabelHeight
  return `<line x1="${at}" x2="${at}" y1="${y - 8}" y2="${bottom}" stroke="#999" stroke-dasharray="3 3"/><text x="${at + (isLate ? -4 : 4)}" y="${y}" text-anchor="${anchor}">${escaped(label)}</text>`
}

/** A line through what is there; a gap where nothing is. */
function pathOf(parts: readonly (string | null)[]): string {
  let isDrawing = false
  const commands: string[] = []
  for (const part of parts) {
    if (part !== null) commands.push(`${isDrawing ? 'L' : 'M'}${part}`)
    isDrawing = part !== null
  }
  return commands.join('')
}

function placer({ from, to }: Span, start: number, end: number): (value: number) => number {
  return (value) => start + ((value - from) / (to - from)) * (end - start)
}

/** Never empty. */
function spanOf(values: readonly number[]): Span {
  const from = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const to = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  if (from > to) return { from: 0, to: 1 }
  return from === to ? { from, to: from + 1 } : { from, to }
}

/** Whole ones. */
function decadesOf(values: readonly number[]): Span {
  if (values.length === 0) return { from: 1, to: 10 }
  const { from, to } = spanOf(values)
  const least = 10 ** Math.floor(Math.log10(from))
  return { from: least, to: Math.max(least * 10, 10 ** Math.ceil(Math.log10(to))) }
}

function logarithms({ from, to }: Span): Span {
  return { from: Math.log10(from), to: Math.log10(to) }
}

function decades({ from, to }: Span): number[] {
  const first = Math.round(Math.log10(from))
  const last = Math.round(Math.log10(to))
  return Array.from({ length: last - first + 1 }, (_, n) => 10 ** (first + n))
}

/** At 1, 2 or 5 times a power of ten. */
function ticksOf({ from, to }: Span): number[] {
  const rough = (to - from) / ticksMax
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = decade * ([1, 2, 5].find((times) => times * decade >= rough) ?? 10)
  const first = Math.ceil(from / step)
  const last = Math.floor(to / step)
  return Array.from({ length: last - first + 1 }, (_, n) => (first + n) * step)
}

function colourOf(n: number): string {
  return colours[n % colours.length] ?? '#000000'
}

function figures(value: number): string {
  return Number(value.toPrecision(4)).toLocaleString('en-US', { maximumFractionDigits: 4 })
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
