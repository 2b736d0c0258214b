/**
 * Curves over a common axis, as one HTML file with its drawings in it: nothing is loaded, and nothing runs. Panels
 * stand below each other, so that what happens in one can be seen in the others; marks go through all.
 */

export interface Plot extends Drawing {
  readonly title: string
  /** Lines of text above the panels. */
  readonly facts: readonly string[]
}

export interface Drawing {
  readonly axis: Axis
  readonly panels: readonly Panel[]
  readonly marks: readonly Mark[]
}

export interface Axis {
  readonly title: string
  /** Logarithmic: all of it is above 0. */
  readonly scale: Scale
  /** What is written below it; `null`: round numbers, or powers of ten. */
  readonly ticks: readonly (readonly [x: number, label: string])[] | null
}

export type Scale = 'linear' | 'logarithmic'

export interface Panel {
  readonly title: string
  readonly unit: string
  /** Logarithmic: what is 0 or less is left out. */
  readonly scale: Scale
  readonly curves: readonly Curve[]
}

export interface Curve {
  readonly name: string
  /** Which of the colours; curves of one number look the same in every panel. */
  readonly colour: number
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
const legendTop = 14
const legendLineHeight = 16
const ticksMax = 6
/** Points of a curve that are each marked. */
const markedMax = 40
const drawingStyle = 'text { font: 12px sans-serif; fill: #222 }'
/** Told apart also by those who see no red or no green. */
const colours = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#999999',
]

interface Span {
  readonly from: number
  readonly to: number
}

export function renderPlot(plot: Plot): string {
  const facts = plot.facts.map((fact) => `<p>${escaped(fact)}</p>`)
  return renderPage(plot.title, [...facts, renderDrawing(plot)])
}

/** One HTML file of these pieces of HTML. */
export function renderPage(title: string, pieces: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
body { font: 14px sans-serif; margin: 24px; color: #222; background: #fff }
p { margin: 2px 0 }
table { border-collapse: collapse; margin: 12px 0 }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
${drawingStyle}
</style>
<h1>${escaped(title)}</h1>
${pieces.join('\n')}
</html>
`
}

/** A file of its own. */
export function renderSvg(drawing: Drawing): string {
  const background = '<rect width="100%" height="100%" fill="#fff"/>'
  return renderDrawing(drawing)
    .replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')
    .replace('</title>', `</title>\n<style>${drawingStyle}</style>\n${background}`)
    .concat('\n')
}

export function renderDrawing({ axis, panels, marks }: Drawing): string {
  const xs = panels.flatMap(({ curves }) => curves.flatMap(({ points }) => points.map(([x]) => x)))
  const all = [...xs, ...marks.map(({ x }) => x)]
  const roundNumbers = axis.scale === 'linear' ? ticksOf(spanOf(all)) : decades(decadesOf(all))
  const ticks = axis.ticks ?? roundNumbers.map((x) => [x, figures(x)] as const)
  const span = spanOf([...all, ...ticks.map(([x]) => x)])
  const place: Place = {
    xAt: scaled(axis.scale, span, left, width - right),
    ticks,
  }
  const legend = legendOf(panels)
  const marksTop = legend.lines * legendLineHeight
  const top = marksTop + 34 + marks.length * markLabelHeight
  const height = top + panels.length * (panelHeight + panelGap)
  const bottom = height - panelGap
  const middle = (span.from + span.to) / 2
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escaped(`${panels.map(({ title }) => title).join(', ')} by ${axis.title}`)}</title>
${legend.svg.join('\n')}
${marks.map((mark, n) => renderMark(mark, marksTop + 14 + n * markLabelHeight, place.xAt(mark.x), mark.x > middle, bottom)).join('\n')}
${panels.map((panel, n) => renderPanel(panel, place, top + n * (panelHeight + panelGap))).join('\n')}
<text x="${width - right}" y="${bottom + 32}" text-anchor="end">${escaped(axis.title)}</text>
</svg>`
}

/** The axis that all panels share. */
interface Place {
  xAt(x: number): number
  readonly ticks: readonly (readonly [x: number, label: string])[]
}

function renderPanel({ title, unit, scale, curves }: Panel, place: Place, top: number): string {
  const isShown = (y: number | null): y is number => y !== null && (scale === 'linear' || y > 0)
  const ys = curves.flatMap(({ points }) => points.map(([, y]) => y).filter(isShown))
  const range = scale === 'linear' ? spanOf([0, ...ys]) : decadesOf(ys)
  const yAt = scaled(scale, range, top + panelHeight, top)
  const yTicks = scale === 'linear' ? ticksOf(range) : decades(range)
  const lines = curves.map(({ name, colour, points }) => {
    const parts = points.map(([x, y]) =>
      isShown(y) ? ([round(place.xAt(x)), round(yAt(y))] as const) : null,
    )
    return renderCurve(name, colourOf(colour), parts)
  })
  return [
    `<text x="${left}" y="${top - 8}" font-weight="bold">${escaped(`${title} (${unit})`)}</text>`,
    ...yTicks.map((y) => gridLine(yAt(y), figures(y))),
    ...place.ticks.map(([x, label]) => axisLabel(place.xAt(x), top + panelHeight, label)),
    ...lines,
  ].join('\n')
}

/** Where points are few each is marked. */
function renderCurve(
  name: string,
  colour: string,
  parts: readonly (readonly [x: number, y: number] | null)[],
): string {
  const path = pathOf(parts.map((part) => part?.join(',') ?? null))
  const line = `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.3"><title>${escaped(name)}</title></path>`
  if (parts.length > markedMax) return line
  const dots = parts.flatMap((part) =>
    part === null ? [] : `<circle cx="${part[0]}" cy="${part[1]}" r="2.5" fill="${colour}"/>`,
  )
  return [line, ...dots].join('')
}

/** Once for all panels: a curve of one name looks the same in each. As many lines as it takes. */
function legendOf(panels: readonly Panel[]): { readonly svg: string[]; readonly lines: number } {
  const names = new Map(panels.flatMap(({ curves }) => curves.map((curve) => [curve.name, curve])))
  let [x, line] = [left, 0]
  const svg = [...names.values()].map(({ name, colour }) => {
    const length = 26 + 6.5 * name.length
    if (x > left && x + length > width) [x, line] = [left, line + 1]
    const y = legendTop + line * legendLineHeight
    const entry = `<text x="${round(x)}" y="${y}" style="fill:${colourOf(colour)}">■ ${escaped(name)}</text>`
    x += length
    return entry
  })
  return { svg, lines: svg.length === 0 ? 0 : line + 1 }
}

function gridLine(y: number, label: string): string {
  const at = round(y)
  return `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="#ddd"/><text x="${left - 6}" y="${round(y + 4)}" text-anchor="end">${label}</text>`
}

function axisLabel(x: number, bottom: number, label: string): string {
  const at = round(x)
  return `<line x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 4}" stroke="#888"/><text x="${at}" y="${bottom + 17}" text-anchor="middle">${escaped(label)}</text>`
}

/** Each label on a line of its own, so that none covers another. */
function renderMark(
  { label }: Mark,
  y: number,
  x: number,
  isLate: boolean,
  bottom: number,
): string {
  const at = round(x)
  const anchor = isLate ? 'end' : 'start'
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

function scaled(
  scale: Scale,
  { from, to }: Span,
  start: number,
  end: number,
): (value: number) => number {
  const along = scale === 'linear' ? (value: number) => value : Math.log10
  return (value) =>
    start + ((along(value) - along(from)) / (along(to) - along(from))) * (end - start)
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

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
