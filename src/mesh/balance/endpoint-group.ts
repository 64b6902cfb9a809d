import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { stackName, tellTrail, type Tell } from '../../contracts/decisions.ts';
import { balancePlanKey, versionKey, type EndpointBalancer } from '../../contracts/balancing.ts';
import { eligible, type Endpoint } from '../../contracts/resolver.ts';
import { paced, tellBreaker, verdictOf } from '../../filters/breaker/breaker-pair.ts';
import { attemptKey } from '../../kernel/attempt.ts';
import type { Call, Outcome } from '../../kernel/call.ts';
import { valueOf } from '../../kernel/context.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import { attemptOf, placeText } from '../../kernel/trail.ts';
import { Member, type AttemptEnd } from './member.ts';
import { ejectedElsewhere, judge } from './outliers.ts';
import { defaultPlan, type BalancePlan } from './plan.ts';
import type { Ejection, EjectionsOf } from './shared-ejections.ts';
import { createStrategy, type Strategy } from './strategies.ts';

export interface EndpointGroupOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly appId: string;
  /** The zone of this runtime; empty: unknown. */
  readonly zone: string;
  /** What other processes of the runtime eject, and are told; absent: there is one. */
  readonly shared?: EjectionsOf | undefined;
}

type To = Parameters<EndpointBalancer['send']>[1];

/** What was learnt about an endpoint that is no longer listed is kept for so long: one that comes and goes does not come back with a clean sheet. */
const gonePeriodMs = 60_000;
const goneMax = 1_000;

/** A repetition avoids endpoints that failed within this time. */
const recentlyMs = 10_000;

interface Attempted {
  readonly call: Call<InvokeRequest>;
  readonly plan: BalancePlan;
  readonly member: Member;
  readonly token: number;
  readonly nowMs: number;
}

interface Remembered {
  readonly strategy: Strategy;
  /** The members of the version that is asked for; all when none has it. */
  all: readonly Member[];
  /** Who may be picked, until `validUntilMs` or until somebody is ejected. */
  usable: readonly Member[];
  version: number;
  validUntilMs: number;
}

/** The endpoints of one app with what is known about each. */
export class EndpointGroup implements EndpointBalancer {
  readonly #options: EndpointGroupOptions;
  readonly #plans = new WeakMap<BalancePlan, Map<string, Remembered>>();
  readonly #tell: Tell;
  readonly #gone = new Map<string, { readonly member: Member; readonly atMs: number }>();
  #members: readonly Member[] = [];
  #version = 0;
  #judgedBy = defaultPlan.settings.outlier;

  constructor(options: EndpointGroupOptions) {
    this.#options = options;
    this.#tell = tellTrail('balance', stackName({ block: 'invoke', name: options.appId, operation: 'call', direction: 'outbound' }));
    options.shared?.join((ejection) => this.#heard(ejection));
  }

  update(endpoints: readonly Endpoint[]): void {
    const known = new Map(this.#members.map((member) => [member.endpoint.instance, member]));
    const first = this.#members.length === 0;
    const nowMs = this.#options.clock.mono();
    this.#members = eligible(endpoints).map((endpoint) => {
      const member = known.get(endpoint.instance) ?? this.#returned(endpoint.instance, nowMs);
      known.delete(endpoint.instance);
      // Those of the first answer may have run for long: only later ones start slowly.
      if (member === undefined) return new Member(endpoint, first ? -Infinity : nowMs);
      member.endpoint = endpoint;
      return member;
    });
    for (const [instance, member] of known) this.#leave(instance, member, nowMs);
    this.#version++;
  }

  #leave(instance: string, member: Member, atMs: number): void {
    if (this.#gone.size >= goneMax) this.#gone.delete(this.#gone.keys().next().value as string);
    this.#gone.set(instance, { member, atMs });
  }

  #returned(instance: string, nowMs: number): Member | undefined {
    const gone = this.#gone.get(instance);
    this.#gone.delete(instance);
    return gone === undefined || nowMs - gone.atMs > gonePeriodMs ? undefined : gone.member;
  }

  /** What is known now, for whoever shows it. */
  members(): readonly Member[] {
    return this.#members;
  }

  send(call: Call<InvokeRequest>, to: To): Promise<InvokeResponse> {
    const plan = (valueOf(call.context, balancePlanKey) as BalancePlan | undefined) ?? defaultPlan;
    const [only] = this.#members;
    // Nothing to choose and nothing to guard: most apps of a developer have one instance.
    if (this.#members.length === 1 && plan.breakers === undefined) return to((only as Member).endpoint, call);
    if (only === undefined)
      return Promise.reject(new ProaError('invoke.unreachable', `no instance of app "${this.#options.appId}" is left`));
    const nowMs = this.#options.clock.mono();
    const remembered = this.#remembered(plan, valueOf(call.context, versionKey), nowMs);
    const member = this.#pick(remembered, call, nowMs);
    if (plan.breakers === undefined) return this.#track({ call, plan, member, token: 0, nowMs }, to);
    return this.#sendGuarded({ call, plan, nowMs, all: remembered.all }, member, to);
  }

  #pick(remembered: Remembered, call: Call<InvokeRequest>, nowMs: number): Member {
    const { usable } = remembered;
    if (usable.length === 1) return usable[0] as Member;
    const step = valueOf(call.context, attemptKey);
    const member = remembered.strategy(usable, { call, nowMs, step });
    if (step === 0 || nowMs - member.lastBadMs > recentlyMs) return member;
    return this.#firstFrom(usable, (other) => nowMs - other.lastBadMs > recentlyMs) ?? member;
  }

  /** Asks the breakers, beginning with that of the member that balancing prefers. */
  #sendGuarded(
    at: { call: Call<InvokeRequest>; plan: BalancePlan; nowMs: number; all: readonly Member[] },
    preferred: Member,
    to: To,
  ): Promise<InvokeResponse> {
    const { plan, nowMs, all } = at;
    const { key, make } = plan.breakers as NonNullable<BalancePlan['breakers']>;
    let token = preferred.breaker(key, make).enter(nowMs);
    if (token >= 0) return this.#track({ ...at, member: preferred, token }, to);
    const other = this.#firstFrom(this.#members, (member) => member !== preferred && (token = member.breaker(key, make).enter(nowMs)) >= 0);
    const tell = plan.tellBreaker ?? this.#tell;
    if (other !== undefined) {
      tell(at.call, 'chose', `the breaker of ${placeText(preferred.endpoint)} is open: it goes to ${placeText(other.endpoint)}`);
      return this.#track({ ...at, member: other, token }, to);
    }
    const count = all.length;
    const what = count === 1 ? 'its only instance' : `all of its ${count} instances`;
    attemptOf(at.call).breakerBefore = preferred.breaker(key, make).state(nowMs);
    tell(at.call, 'refused', `the circuit breakers of ${what} are open`);
    return Promise.reject(
      new ProaError('circuit-open', `app "${this.#options.appId}": the circuit breakers of ${what} are open`, { refusedAt: 'caller' }),
    );
  }

  #firstFrom(members: readonly Member[], fits: (member: Member) => boolean): Member | undefined {
    const start = this.#options.random.u32() % members.length;
    for (let i = 0; i < members.length; i++) {
      const member = members[(start + i) % members.length] as Member;
      if (fits(member)) return member;
    }
    return undefined;
  }

  #track(attempt: Attempted, to: To): Promise<InvokeResponse> {
    const { call, plan, member, token, nowMs } = attempt;
    member.inFlight++;
    call.end.listen((outcome) => this.#ended({ call, plan, member, token, nowMs }, outcome));
    return to(member.endpoint, call);
  }

  #ended({ call, plan, member, token, nowMs: begunMs }: Attempted, outcome: Outcome): void {
    // Of a call that fails, and of one with a trail, the story is told; of others nothing.
    const told = !outcome.ok || call.end.trail !== undefined;
    if (told) attemptOf(call).inFlight = member.inFlight;
    member.inFlight--;
    const nowMs = this.#options.clock.mono();
    const tookMs = nowMs - begunMs;
    const end = endOf(outcome);
    member.measured(nowMs, tookMs, end);
    if (outcome.retryAfterMs !== undefined && end === 'overloaded') member.pushedBack(nowMs, outcome.retryAfterMs);
    this.#judgedBy = plan.settings.outlier;
    if (judge(member, end, { members: this.#members, nowMs, settings: plan.settings.outlier })) {
      this.#version++;
      if (member.ejectedUntilMs > nowMs) this.#tellEjected({ call, plan, member }, member.ejectedUntilMs - nowMs);
    }
    if (plan.breakers === undefined) return;
    const { key, make, badFrom } = plan.breakers;
    const breaker = member.breaker(key, make);
    const verdict = verdictOf(outcome, badFrom);
    const before = told || verdict === 'bad' ? breaker.state(nowMs) : undefined;
    breaker.leave(token, paced(verdict, tookMs, breaker), nowMs);
    if (before === undefined) return;
    const target = placeText(member.endpoint);
    tellBreaker(call, { before, after: breaker.state(nowMs), target, tell: plan.tellBreaker ?? this.#tell });
  }

  #tellEjected({ call, plan, member }: Pick<Attempted, 'call' | 'plan' | 'member'>, forMs: number): void {
    const tell = plan.tell ?? this.#tell;
    tell(call, 'changed', `the instance is ejected: for ${formatDuration(Math.round(forMs))} it gets no more calls`);
    this.#options.shared?.tell({ instance: member.endpoint.instance, forMs, count: member.ejections });
  }

  /** By the settings of the plan that this process used last: another one may have met a policy that is about to arrive here. */
  #heard({ instance, ...ejection }: Ejection): void {
    const member = this.#members.find(({ endpoint }) => endpoint.instance === instance);
    const at = { members: this.#members, nowMs: this.#options.clock.mono(), settings: this.#judgedBy };
    if (member !== undefined && ejectedElsewhere(member, ejection, at)) this.#version++;
  }

  #remembered(plan: BalancePlan, version: string, nowMs: number): Remembered {
    let versions = this.#plans.get(plan);
    if (versions === undefined) this.#plans.set(plan, (versions = new Map()));
    let remembered = versions.get(version);
    if (remembered === undefined) {
      remembered = { strategy: createStrategy(plan.settings, this.#options.random), all: [], usable: [], version: -1, validUntilMs: 0 };
      versions.set(version, remembered);
    }
    if (remembered.version !== this.#version || nowMs >= remembered.validUntilMs) {
      const own = version === '' ? this.#members : this.#members.filter(({ endpoint }) => endpoint.version === version);
      const all = own.length > 0 ? own : this.#members;
      remembered.all = all;
      remembered.version = this.#version;
      remembered.validUntilMs = all.reduce(
        (until, { ejectedUntilMs }) => (ejectedUntilMs > nowMs ? Math.min(until, ejectedUntilMs) : until),
        Infinity,
      );
      remembered.usable = this.#usable(all, plan, nowMs);
    }
    return remembered;
  }

  /** Neither ejected nor, while enough of the own zone is left, far away. */
  #usable(members: readonly Member[], { settings }: BalancePlan, nowMs: number): readonly Member[] {
    const inside = members.filter(({ ejectedUntilMs }) => nowMs >= ejectedUntilMs);
    const usable = inside.length < members.length * settings.panicShare ? members : inside;
    const { zone } = this.#options;
    if (zone === '' || settings.zoneShareMin === 0) return usable;
    const near = usable.filter(({ endpoint }) => endpoint.zone === zone);
    const all = members.filter(({ endpoint }) => endpoint.zone === zone);
    return near.length > 0 && near.length >= all.length * settings.zoneShareMin ? near : usable;
  }
}

/** What this runtime refuses says nothing about an endpoint; what an endpoint's own refuses for its load does. */
function endOf(outcome: Outcome): AttemptEnd {
  const { status, error } = outcome;
  if (error === undefined) return status === 429 ? 'overloaded' : verdictOf(outcome, 500);
  const { spec, refusedAt } = ProaError.from(error);
  return spec.grpc === 'RESOURCE_EXHAUSTED' && refusedAt !== 'caller' ? 'overloaded' : verdictOf(outcome, 500);
}
