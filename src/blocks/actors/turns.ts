import type { ActorAnswer, ActorCallback, ActorCallbackAnswer, ActorInvocation } from '../../contracts/actor-host.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { withHeader, firstHeader } from '../../contracts/header-pairs.ts';
import { createCall, withInput, type Call, type Operation } from '../../kernel/call.ts';
import { CancelScope, neverCancelled } from '../../kernel/cancel.ts';
import { emptyContext } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import type { Entered, HostedType } from './hosted-type.ts';

export const reentrancyHeader = 'dapr-reentrancy-id';

/** How long the app may go on with a turn whose caller gave up; then the call is broken off, and the next turn begins. */
const abandonedMsMax = 60_000;

interface TurnInput {
  readonly entered: Entered;
  readonly invocation: ActorInvocation;
}

interface DueInput {
  readonly entered: Entered;
  readonly callback: ActorCallback;
}

/** The turns of one type: what the app does within them, with the policies that hold inside of the actor's lock (the timeout). */
export interface Turns {
  invoke(call: Call<ActorInvocation>): Promise<ActorAnswer>;
  remind(callback: ActorCallback): Promise<ActorCallbackAnswer>;
  timer(callback: ActorCallback): Promise<ActorCallbackAnswer>;
}

const turnOperation: Operation = { block: 'actors', name: 'turn', idempotent: false };

/** Compiles the stacks of a type's turns. */
export function createTurns(context: BlockContext, type: HostedType): Turns {
  const name = type.config.type;
  const governed = <In, Out>(operation: string, service: Service<In, Out>): Service<In, Out> =>
    context.govern({ block: 'actors', name, operation, direction: 'inbound' }, service);
  const invocation = governed<TurnInput, ActorAnswer>('turn', (call) => {
    const { entered, invocation: input } = call.input;
    return detached(context, entered, { call: withInput(call, input), run: (own) => type.host.invoke(own) });
  });
  const due = (operation: 'remind' | 'timer'): Service<DueInput, ActorCallbackAnswer> =>
    governed(operation, (call) => {
      const { entered, callback } = call.input;
      return detached(context, entered, { call: withInput(call, callback), run: (own) => type.host[operation](own) });
    });
  const [remind, timer] = [due('remind'), due('timer')];
  const caller = { appId: context.appId, namespace: context.namespace };
  const fire = (service: Service<DueInput, ActorCallbackAnswer>, callback: ActorCallback): Promise<ActorCallbackAnswer> =>
    type.turn(callback.id, { cancel: neverCancelled }, async (entered) => {
      const call = createCall(turnOperation, { entered, callback }, { caller });
      try {
        const answer = await service(call);
        call.end.fire({ ok: true });
        return answer;
      } catch (error) {
        call.end.fire({ ok: false, error });
        throw error;
      }
    });
  return {
    invoke(call) {
      const { reentrancy } = type.config;
      const given = reentrancy.enabled ? (firstHeader(call.input.headers, reentrancyHeader) ?? context.ports.random.uuid()) : undefined;
      const input = given === undefined ? call.input : { ...call.input, headers: withHeader(call.input.headers, reentrancyHeader, given) };
      const entry = given === undefined ? { cancel: call.cancel } : { cancel: call.cancel, reentrancyId: given };
      return type.turn(call.input.id, entry, (entered) => invocation(withInput(call, { entered, invocation: input })));
    },
    remind: (callback) => fire(remind, callback),
    timer: (callback) => fire(timer, callback),
  };
}

/**
 * Lets the app work for a turn. A caller who gives up gets an error at once, but the turn goes on until the app has answered: what it still writes belongs to
 * this turn and must not meet the next one.
 */
function detached<In, Out>(
  context: BlockContext,
  entered: Entered,
  { call, run }: { readonly call: Call<In>; readonly run: (own: Call<In>) => Promise<Out> },
): Promise<Out> {
  const { clock } = context.ports;
  const scope = new CancelScope();
  const own = createCall(call.operation, call.input, { context: call.context ?? emptyContext, caller: call.caller, cancel: scope });
  entered.actor.activated = true;
  const work = run(own);
  entered.underWay = work.then(
    () => void own.end.fire({ ok: true }),
    (error: unknown) => void own.end.fire({ ok: false, error }),
  );
  return new Promise((resolve, reject) => {
    const abandoned = {
      cancel(reason: unknown) {
        reject(reason as Error);
        const timer = clock.timer(
          abandonedMsMax,
          () => scope.cancel(new ProaError('cancelled', 'nobody waits for the turn any more')),
          true,
        );
        void entered.underWay?.then(() => timer.cancel());
      },
    };
    call.cancel.guard(abandoned);
    work.then(
      (answer) => {
        call.cancel.release(abandoned);
        resolve(answer);
      },
      (error: unknown) => {
        call.cancel.release(abandoned);
        reject(error as Error);
      },
    );
  });
}
