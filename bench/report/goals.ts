/** The table of goals: first in the terminal and in RESULTS.md. */
import { renderCount } from '../../src/cli/report.ts'
import type { Goal, Reached, Sides } from '../goals.ts'
import type { Metric } from '../row.ts'
import { type Column, figures, markdownTable, times } from './table.ts'

const metricNames: Readonly<Record<Metric, string>> = {
  opsPerSecond: 'throughput',
  p50Ms: 'p50',
  p99Ms: 'p99',
}

export const goalColumns: readonly Column<Reached>[] = [
  {
    title: 'work',
    text: ({ goal }) => `${goal.suite}, ${callersOf(goal)}, ${metricNames[goal.metric]}`,
  },
  { title: 'ours', text: ({ system }) => system ?? '' },
  { title: 'against', text: ({ goal }) => goal.against },
  { title: 'goal', text: ({ goal }) => goalText(goal) },
  { title: 'measured', text: ({ ratio }) => (ratio === null ? 'not measured' : times(ratio)) },
  { title: '', text: ({ isMet }) => verdict(isMet) },
  { title: 'wanted', text: (reached) => inUnits(reached, ({ wanted }) => wanted) },
  { title: 'reached', text: (reached) => inUnits(reached, ({ measured }) => measured) },
  { title: 'could be', text: (reached) => inUnits(reached, ({ bound }) => bound?.value ?? null) },
  { title: 'bound by', text: ({ sides }) => sides?.bound?.name ?? '' },
]

export function renderGoals(reached: readonly Reached[]): string {
  return markdownTable(goalColumns, reached)
}

function inUnits({ goal, sides }: Reached, of: (sides: Sides) => number | null): string {
  const value = sides === null ? null : of(sides)
  if (value === null) return ''
  return `${figures(value)} ${goal.metric === 'opsPerSecond' ? '/s' : 'ms'}`
}

function callersOf({ callers }: Goal): string {
  return callers === 1 ? '1 caller' : `${renderCount(callers)} callers`
}

function goalText({ least, most }: Goal): string {
  return least === null ? `≤ ${figures(most ?? 0)} ×` : `≥ ${figures(least)} ×`
}

function verdict(isMet: boolean | null): string {
  if (isMet === null) return '–'
  return isMet ? 'met' : 'NOT MET'
}
