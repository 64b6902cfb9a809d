import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { versionKey } from '../../contracts/balancing.ts';
import { untold, type Tell } from '../../contracts/decisions.ts';
import { CallEnd, derive, type Call } from '../../kernel/call.ts';
import { withValue } from '../../kernel/context.ts';
import type { Filter, Service } from '../../kernel/service.ts';

/** Where a share of the calls goes: to instances of a version, or to another app. */
export type SplitTarget = { readonly version: string } | { readonly app: string };

export interface SplitOptions {
  readonly targets: readonly { readonly to: SplitTarget; readonly weight: number }[];
  /** A number of 32 bits that decides about a call: drawn, or a hash of what must stick. */
  readonly draw: (call: Call<InvokeRequest>) => number;
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  /** Told of calls that do not go to the first target, and of all that are being told about anyway. */
  readonly tell?: Tell;
}

/** Divides calls between versions by weight. The first targets own the low numbers: raising the weight of the last one moves nobody back. */
export function split(options: SplitOptions): Filter<InvokeRequest, InvokeResponse> {
  const { targets, draw, invoke, tell = untold } = options;
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  const bounds: number[] = [];
  for (let i = 0, sum = 0; i < targets.length; i++) bounds.push(((sum += (targets[i] as { weight: number }).weight) / total) * 2 ** 32);
  return (next) => (call) => {
    const drawn = draw(call);
    let i = 0;
    while (i < targets.length - 1 && drawn >= (bounds[i] as number)) i++;
    const { to } = targets[i] as { to: SplitTarget };
    if (i > 0 || call.end.trail !== undefined)
      tell(call, 'chose', 'version' in to ? `it goes to version ${to.version}` : `it goes to app ${to.app}`);
    if ('version' in to) return next(derive(call, { context: withValue(call.context, versionKey, to.version) }));
    const end = new CallEnd();
    call.end.listen((outcome) => end.fire(outcome));
    return invoke(derive(call, { input: { ...call.input, appId: to.app }, end }));
  };
}
