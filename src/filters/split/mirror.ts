import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { createCall, type Call } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { replayBody } from '../../kernel/replay-body.ts';
import type { Filter, Service } from '../../kernel/service.ts';

export interface MirrorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly app: string;
  /** Share of the calls (0 to 1) that is copied. */
  readonly share: number;
  /** Copies at once; beyond them none is made. */
  readonly concurrencyMax: number;
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  /** Told of every call that is copied. */
  readonly mirrored?: (call: Call<unknown>) => void;
}

const timeoutMs = 10_000;

/** Sends copies to another app when a call has ended well or badly, and throws their answers away. Calls whose body cannot be kept are not copied. */
export function mirror(options: MirrorOptions): Filter<InvokeRequest, InvokeResponse> {
  const { random, share, concurrencyMax, mirrored } = options;
  let underWay = 0;
  return (next) => (call) => {
    const { input } = call;
    if (random.u32() / 2 ** 32 >= share || !input.replayable) return next(call);
    const body = input.body.replayable === true ? undefined : replayBody(input.body);
    if (body === undefined && input.body.replayable !== true) return next(call);
    call.end.listen(() => {
      const again = body === undefined ? input.body : body.again();
      if (again === undefined || underWay >= concurrencyMax) return;
      underWay++;
      mirrored?.(call);
      void copy(options, { call, input: { ...input, body: again } }).finally(() => underWay--);
    });
    return body === undefined ? next(call) : next({ ...call, input: { ...input, body } });
  };
}

async function copy(
  { clock, app, invoke }: MirrorOptions,
  { call, input }: { readonly call: Call<InvokeRequest>; readonly input: InvokeRequest },
): Promise<void> {
  const cancel = new CancelScope();
  const { operation, caller, context } = call;
  const headers = [...input.headers, 'proa-mirror', 'true'];
  const copied = createCall(
    operation,
    { ...input, appId: app, headers },
    { cancel, caller, context, priority: 'sheddable', deadlineMs: clock.mono() + timeoutMs },
  );
  try {
    const answer = await invoke(copied);
    answer.body.discard();
    copied.end.fire({ ok: true, status: answer.status });
  } catch (error) {
    copied.end.fire({ ok: false, error });
  }
}
