import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Plot, renderPlot, renderSvg } from '../../bench/plot.ts'

const plot: Plot = {
  title: 'Sizes & <more>',
  facts: ['seed 7'],
  axis: { title: 'seconds', scale: 'linear', ticks: null },
  marks: [{ x: 5, label: 'stopped' }],
  panels: [
    {
      title: 'Log',
      unit: 'MiB',
      scale: 'linear',
      curves: [
        {
          name: 'member 1',
          colour: 0,
          points: [
            [0, 0],
            [5, 100],
            [6, null],
            [10, 50],
          ],
        },
      ],
    },
    {
      title: 'p99',
      unit: 'ms',
      scale: 'logarithmic',
      curves: [
        {
          name: 'member 1',
          colour: 0,
          points: [
            [0, 0],
            [5, 1],
            [10, 100],
          ],
        },
      ],
    },
  ],
}

const paths = (html: string): string[] =>
  [...html.matchAll(/<path d="([^"]*)"/g)].map(([, path = '']) => path)

test('a curve goes from edge to edge, higher where there is more, and is interrupted where nothing was measured', () => {
  const [log = ''] = paths(renderPlot(plot))
  const points = log.split(/[ML]/).slice(1)
  assert.match(log, /^M[^L]+L[^M]+M[^L]+$/)
  const [first, middle, last] = points.map((point) => point.split(',').map(Number))
  assert.deepEqual([first?.[0], last?.[0]], [90, 1_080])
  assert.ok((middle?.[1] ?? 0) < (last?.[1] ?? 0) && (last?.[1] ?? 0) < (first?.[1] ?? 0))
})

test('on a logarithmic scale ten times more is always as far, and what is nothing is left out', () => {
  const [, p99 = ''] = paths(renderPlot(plot))
  const ys = p99
    .split(/[ML]/)
    .slice(1)
    .map((point) => Number(point.split(',')[1]))
  assert.equal(ys.length, 2)
  assert.equal(Math.round((ys[0] ?? 0) - (ys[1] ?? 0)), 170)
})

test('text is text, and marks and facts are there', () => {
  const html = renderPlot(plot)
  assert.match(html, /Sizes &amp; &lt;more>/)
  assert.doesNotMatch(html, /<more>|<script|https?:/)
  for (const word of ['stopped', 'seed 7', 'Log (MiB)', '■ member 1'])
    assert.ok(html.includes(word))
})

test('a plot of nothing is a plot', () => {
  const html = renderPlot({
    ...plot,
    marks: [],
    panels: [{ title: 'x', unit: 'y', scale: 'linear', curves: [] }],
  })
  assert.doesNotMatch(html, /NaN|Infinity/)
})

test('on a logarithmic axis ten times more is always as far, and a tick says what it is told to', () => {
  const axis = { title: 'callers', scale: 'logarithmic', ticks: [[10, 'ten']] } as const
  const points = [1, 10, 100].map((x) => [x, 1] as const)
  const panel = {
    title: 'x',
    unit: 'y',
    scale: 'linear',
    curves: [{ name: 'a', colour: 0, points }],
  } as const
  const html = renderPlot({ ...plot, axis, marks: [], panels: [panel] })
  const xs = (paths(html)[0] ?? '')
    .split(/[ML]/)
    .slice(1)
    .map((point) => Number(point.split(',')[0]))
  assert.deepEqual(xs, [90, 585, 1_080])
  assert.match(html, />ten</)
})

test('a drawing alone is a file of its own', () => {
  const svg = renderSvg(plot)
  assert.ok(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg" viewBox='))
  assert.match(svg, /<style>/)
})
