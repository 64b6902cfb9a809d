import type { Labels } from '../contracts/metrics.ts';
import { ProaError } from '../kernel/errors.ts';
import { compileReplacement } from '../kernel/linear-replace.ts';

/** `spec.metrics.rules` of a Configuration (Dapr reference 10.5): per metric and label, replacements by the pattern of what they replace. */
export type MetricRules = readonly {
  readonly name: string;
  readonly labels: readonly { readonly name: string; readonly regex: Readonly<Record<string, string>> }[];
}[];

/** Rewrites the labels of a metric before its series is looked for. */
export type RewriteLabels = (metric: string, labels: Labels) => Labels;

// Longer values are not worth the search; they come from callers.
const valueCharsMax = 1_024;

/** Compiles the rules. Metrics may be named with or without `dapr_`. Fails with `config.invalid` for a pattern that is not supported. */
export function createLabelRules(rules: MetricRules): RewriteLabels {
  const byMetric = new Map<string, { readonly label: string; readonly replace: (text: string) => string }[]>();
  for (const { name, labels } of rules) {
    const list = byMetric.get(plain(name)) ?? [];
    byMetric.set(plain(name), list);
    for (const { name: label, regex } of labels)
      for (const [replacement, pattern] of Object.entries(regex)) list.push({ label, replace: compile(name, pattern, replacement) });
  }
  return (metric, labels) => {
    const list = byMetric.get(plain(metric));
    if (list === undefined) return labels;
    const rewritten: Record<string, string> = { ...labels };
    for (const { label, replace } of list) {
      const value = rewritten[label];
      if (value !== undefined) rewritten[label] = replace(value.slice(0, valueCharsMax));
    }
    return rewritten;
  };
}

function compile(metric: string, pattern: string, replacement: string): (text: string) => string {
  try {
    return compileReplacement(pattern, replacement);
  } catch (cause) {
    throw new ProaError('config.invalid', `spec.metrics.rules, metric ${metric}: ${(cause as Error).message}`, { cause });
  }
}

function plain(metric: string): string {
  return metric.replace(/^dapr_/, '').replaceAll('/', '_');
}
