import { attemptTimeout } from '../../filters/attempt/attempt-timeout.ts';
import { deadline } from '../../filters/deadline/deadline.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { activations } from './activations.ts';
import { describeTarget, dropOf, fromOf, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';

/** The deadline over all attempts; without a policy it is the caller's. */
export function deadlineLayer(parts: LayerParts, entry: Entry<'deadline'> | undefined): Layer {
  const { clock, target } = parts;
  const withinMs = entry?.value.withinMs;
  return {
    role: 'deadline',
    why: 'one budget of time over all attempts; what has none left is refused before work begins',
    parameters: { within: withinMs === undefined ? 'as the caller says' : formatDuration(withinMs), ...fromOf(entry, 'deadline') },
    filter: layerFilter(
      deadline<unknown, unknown>({
        clock,
        target: describeTarget(target),
        tell: tellerOf(parts, 'deadline', { entry, name: 'deadline' }),
        ...(withinMs !== undefined && { withinMs }),
        ...dropOf(parts),
      }),
    ),
  };
}

/** The time of one attempt. */
export function timeoutLayer(parts: LayerParts, entry: Entry<'timeout'>): Layer {
  const { clock, target } = parts;
  const { timeoutMs } = entry.value;
  return {
    role: 'attempt',
    why: 'bounds each attempt by itself',
    parameters: { timeout: formatDuration(timeoutMs), ...fromOf(entry, 'timeout') },
    filter: layerFilter(
      attemptTimeout<unknown, unknown>({
        clock,
        timeoutMs,
        target: describeTarget(target),
        expired: activations(parts, 'timeout', entry.rule),
        tell: tellerOf(parts, 'attempt', { entry, name: 'timeout' }),
        ...dropOf(parts),
      }),
    ),
  };
}
