import type { InvokeRequest } from '../../contracts/app-channel.ts';
import { mirror } from '../../filters/split/mirror.ts';
import { split } from '../../filters/split/split.ts';
import type { Call } from '../../kernel/call.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { hash32 } from '../balance/hash.ts';
import { stickyValue } from '../balance/strategies.ts';
import { activations } from './activations.ts';
import { fromOf, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';

/** Shares of the calls for versions or other apps. */
export function splitLayer(parts: LayerParts, entry: Entry<'split'>): Layer {
  const { clock, random, invoke } = parts;
  const { targets, sticky } = entry.value;
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  const draw = (call: Call<InvokeRequest>): number => {
    const value = sticky === undefined ? undefined : stickyValue(sticky, call);
    return value === undefined ? random.u32() : hash32(value, 0x51);
  };
  return {
    role: 'split',
    why: 'outside of retries: the attempts of one call stay with one version',
    parameters: {
      targets: targets
        .map(
          ({ to, weight }) =>
            `${'version' in to ? `version ${to.version}` : `app ${to.app}`} ${Math.round((weight / total) * 1_000) / 10} %`,
        )
        .join(', '),
      ...(sticky !== undefined && { sticky: 'name' in sticky ? `${sticky.from} ${sticky.name}` : sticky.from }),
      ...fromOf(entry, 'split'),
    },
    filter: layerFilter(split({ clock, targets, draw, invoke, tell: tellerOf(parts, 'split', { entry, name: 'split' }) })),
  };
}

/** Copies of calls for another app. */
export function mirrorLayer(parts: LayerParts, entry: Entry<'mirror'>): Layer {
  const { clock, random, invoke } = parts;
  const { app, share, concurrencyMax } = entry.value;
  const copied = activations(parts, 'mirror', entry.rule);
  const tell = tellerOf(parts, 'mirror', { entry, name: 'mirror' });
  return {
    role: 'mirror',
    why: 'on the logical call: one copy, whatever is repeated',
    parameters: { app, percent: share * 100, maxConcurrent: concurrencyMax, ...fromOf(entry, 'mirror') },
    filter: layerFilter(
      mirror({
        clock,
        random,
        app,
        share,
        concurrencyMax,
        invoke,
        mirrored(call) {
          copied();
          tell(call, 'chose', `a copy of it goes to app ${app}`);
        },
      }),
    ),
  };
}
