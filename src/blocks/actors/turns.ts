import type { ActorAnswer, ActorCallback, ActorCallbackAnswer, ActorInvocation } from '../../contracts/actor-host.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { withHeader, firstHeader } from '../../contracts/header-pairs.ts';
import { createCall, withInput, type Call, type Operation, type Outcome } from '../../kernel/call.ts';
import { CancelScope, neverCancelled, type Cancellable } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Timer } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import type { Actor } from './actor.ts';
import type { Entered, Entry, HostedType } from './hosted-type.ts';
import { didNotHappen } from './router.ts';

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
  /** Fails with `actor.moved` when the activation that the timer belongs to has ended. */
  timer(callback: ActorCallback, actor: Actor): Promise<ActorCallbackAnswer>;
}

const turnOperation: Operation = { block: 'actors', name: 'turn', idempotent: false };

/** Compiles the stacks of a type's turns. */
export function createTurns(context: BlockContext, type: HostedType): Turns {
  const name = type.config.type;
  const governed = <In, Out>(operation: string, service: Service<In, Out>): Service<In, Out> =>
    context.govern({ block: 'actors', name, operation, direction: 'inbound' }, service);
  const invocation = governed<TurnInput, ActorAnswer>('turn', (call) => {
    const { entered, invocation: input } = call.input;
    return new Work<ActorInvocation, ActorAnswer>({ context, type, call, entered, input, outcome: answeredWith }).begin((own) =>
      type.host.invoke(own),
    );
  });
  const due = (operation: 'remind' | 'timer'): Service<DueInput, ActorCallbackAnswer> =>
    governed(operation, (call) => {
      const { entered, callback: input } = call.input;
      return new Work<ActorCallback, ActorCallbackAnswer>({ context, type, call, entered, input, outcome: answered }).begin((own) =>
        type.host[operation](own),
      );
    });
  const [remind, timer] = [due('remind'), due('timer')];
  const caller = { appId: context.appId, namespace: context.namespace };
  const fire = (service: Service<DueInput, ActorCallbackAnswer>, callback: ActorCallback, entry: Entry): Promise<ActorCallbackAnswer> =>
    type.turn(callback.id, entry, async (entered) => {
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
    remind: (callback) => fire(remind, callback, { cancel: neverCancelled }),
    timer: (callback, actor) => fire(timer, callback, { cancel: neverCancelled, only: actor }),
  };
}

interface WorkOptions<In, Out> {
  readonly context: BlockContext;
  readonly type: HostedType;
  readonly call: Call<unknown>;
  readonly entered: Entered;
  readonly input: In;
  /** How an answer ends the call into the app. */
  readonly outcome: (answer: Out) => Outcome;
}

/**
 * What the app does for a turn. A caller who gives up gets an error at once, but the turn goes on until the app has answered: what it still writes belongs to
 * this turn and must not meet the next one.
 */
class Work<In, Out> implements Cancellable {
  readonly #options: WorkOptions<In, Out>;
  readonly #scope = new CancelScope();
  readonly #own: Call<In>;
  #resolve!: (answer: Out) => void;
  #reject!: (error: unknown) => void;
  #abandoned: Timer | undefined = undefined;

  constructor(options: WorkOptions<In, Out>) {
    const { operation, context, caller } = options.call;
    this.#options = options;
    this.#own = createCall(operation, options.input, { context, caller, cancel: this.#scope });
  }

  /** Lets the app begin. Fails with the app's error, with the reason of a cancellation, and with `actor.overlap` when the actor was taken over meanwhile. */
  begin(run: (own: Call<In>) => Promise<Out>): Promise<Out> {
    const { type, call, entered } = this.#options;
    type.begun(entered);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      call.cancel.guard(this);
      run(this.#own).then(
        (answer) => this.#answered(answer),
        (error: unknown) => this.#failed(error),
      );
    });
  }

  /** Nobody waits any more. */
  cancel(reason: unknown): void {
    const { clock } = this.#options.context.ports;
    this.#reject(reason);
    this.#abandoned = clock.timer(
      abandonedMsMax,
      () => this.#scope.cancel(new ProaError('cancelled', 'nobody waits for the turn any more')),
      true,
    );
  }

  #answered(answer: Out): void {
    this.#end(this.#options.outcome(answer));
    if (this.#sure()) this.#resolve(answer);
    else this.#confirmed(() => this.#resolve(answer));
  }

  #failed(thrown: unknown): void {
    // What the app was told of calls of its own says nothing about this one: it did happen, and is not to be made again elsewhere.
    const error = didNotHappen(thrown) ? new ProaError('actor.invoke', ProaError.from(thrown).message, { cause: thrown }) : thrown;
    this.#end({ ok: false, error });
    if (this.#sure()) this.#reject(error);
    else this.#confirmed(() => this.#reject(error));
  }

  /** What the turn ended with counts, errors too: the actor was held from its beginning to its end. */
  #sure(): boolean {
    const { actor, lapses } = this.#options.entered;
    return actor.shard.alive && actor.shard.lapses === lapses;
  }

  /** Only the engine knows whether it counts. */
  #confirmed(give: () => void): void {
    const { type, entered } = this.#options;
    type.confirm(entered).then(give, this.#reject);
  }

  #end(outcome: Outcome): void {
    const { type, call, entered } = this.#options;
    const { end } = this.#own;
    end.fire(outcome);
    this.#abandoned?.cancel();
    call.cancel.release(this);
    type.leave(entered, end.atMs(this.#options.context.ports.clock));
  }
}

// Calls into the app are counted with their status.
const answered = (): Outcome => ok;
const answeredWith = ({ status }: ActorAnswer): Outcome => (status === ok.status ? ok : { ok: true, status });
const ok = { ok: true, status: 200 } as const satisfies Outcome;
