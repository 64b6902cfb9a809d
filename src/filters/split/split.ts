import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { versionKey } from '../../contracts/balancing.ts';
import { untold, type Tell } from '../../contracts/decisions.ts';
import { CallEnd, derive, type Call, type Outcome } from '../../kernel/call.ts';
import { withValue } from '../../kernel/context.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter, Service } from '../../kernel/service.ts';

/** Where a share of the calls goes: to instances of a version, or to another app. */
export type SplitTarget = { readonly version: string } | { readonly app: string };

/** Told how the calls of one target end. */
export interface SplitTally {
  count(outcome: Outcome, tookMs: number): void;
}

/** A target with its share; `tally` counts its calls. */
export interface SplitShare {
  readonly to: SplitTarget;
  readonly weight: number;
  readonly tally?: SplitTally;
}

export interface SplitOptions {
  readonly clock: Clock;
  readonly targets: readonly SplitShare[];
  /** A number of 32 bits that decides about a call: drawn, or a hash of what must stick. */
  readonly draw: (call: Call<InvokeRequest>) => number;
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  /** Told of calls that do not go to the first target, and of all that are being told about anyway. */
  readonly tell?: Tell;
}

/** Divides calls between versions by weight. The first targets own the low numbers: raising the weight of the last one moves nobody back. */
export function split(options: SplitOptions): Filter<InvokeRequest, InvokeResponse> {
  const { clock, targets, draw, invoke, tell = untold } = options;
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  const bounds: number[] = [];
  for (let i = 0, sum = 0; i < targets.length; i++) bounds.push(((sum += (targets[i] as { weight: number }).weight) / total) * 2 ** 32);
  return (next) => (call) => {
    const drawn = draw(call);
    let i = 0;
    while (i < targets.length - 1 && drawn >= (bounds[i] as number)) i++;
    const { to, tally } = targets[i] as SplitShare;
    if (tally !== undefined) {
      const begunMs = clock.mono();
      call.end.listen((outcome) => tally.count(outcome, clock.mono() - begunMs));
    }
    if (i > 0 || call.end.trail !== undefined)
      tell(call, 'chose', 'version' in to ? `it goes to version ${to.version}` : `it goes to app ${to.app}`);
    if ('version' in to) return next(derive(call, { context: withValue(call.context, versionKey, to.version) }));
    const end = new CallEnd();
    call.end.listen((outcome) => end.fire(outcome));
    return invoke(derive(call, { input: { ...call.input, appId: to.app }, end }));
  };
}
