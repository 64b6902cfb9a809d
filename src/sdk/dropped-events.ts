import type { Clock } from '../kernel/ports.ts';
import type { EventContract, SchemaIssue } from './contract.ts';
import { withoutValue } from './without-value.ts';

/** What is told about events of a topic that did not fit their contract. */
export interface DroppedEvents {
  readonly pubsub: string;
  readonly topic: string;
  /** Where in the data, and why, without anything that stands in it. `field` is empty for the data as a whole. */
  readonly issues: readonly { readonly field: string; readonly why: string }[];
  /** How many there were since the last time. */
  readonly count: number;
}

export type TellDropped = (dropped: DroppedEvents) => void;
/** Hears of every event that does not fit. */
export type OnMisfit = (contract: EventContract, data: unknown, issues: readonly SchemaIssue[]) => void;

/** A flood of events is no flood of lines: a topic is told of at once, then once in this time. */
const quietMs = 10_000;
const issuesMax = 3;
const topicsMax = 1_000;

interface Quiet {
  count: number;
  last: Omit<DroppedEvents, 'count'>;
}

/** Tells of the first event of a topic that does not fit at once, and of those that follow in the next ten seconds together, at their end. Never fails. */
export function tellDropped(clock: () => Clock, tell: TellDropped): OnMisfit {
  const topics = new Map<string, Quiet>();
  const told = (dropped: DroppedEvents): void => {
    try {
      tell(dropped);
    } catch {
      // It was to be told, no more.
    }
  };
  const quiet = (key: string, state: Quiet): void => {
    const end = (): void => {
      if (state.count === 0) return void topics.delete(key);
      told({ ...state.last, count: state.count });
      state.count = 0;
      quiet(key, state);
    };
    clock().timer(quietMs, end, true);
  };
  return ({ pubsub, topic }, data, issues) => {
    const key = `${pubsub}\0${topic}`;
    const last = { pubsub, topic, issues: issues.slice(0, issuesMax).map((issue) => shown(issue, data)) };
    const known = topics.get(key);
    if (known !== undefined) {
      known.count++;
      known.last = last;
      return;
    }
    told({ ...last, count: 1 });
    if (topics.size >= topicsMax) return;
    const state = { count: 0, last };
    topics.set(key, state);
    quiet(key, state);
  };
}

/** One line for people. */
export function droppedLine({ pubsub, topic, issues, count }: DroppedEvents): string {
  const many = count === 1 ? 'an event' : `${count} events`;
  const why = issues.map((issue) => (issue.field === '' ? issue.why : `${issue.field}: ${issue.why}`)).join('; ');
  return `${many} of topic ${JSON.stringify(topic)} (${pubsub}) dropped for not fitting the contract${count === 1 ? '' : ', the last one'}: ${why}`;
}

const fieldCharsMax = 100;
const whyCharsMax = 200;

function shown({ path, message }: SchemaIssue, data: unknown): { readonly field: string; readonly why: string } {
  let at = data;
  for (const step of path) at = typeof at === 'object' && at !== null ? (at as Readonly<Record<PropertyKey, unknown>>)[step] : undefined;
  return { field: oneLine(path.map(String).join('.'), fieldCharsMax), why: oneLine(withoutValue(message, at), whyCharsMax) };
}

function oneLine(text: string, charsMax: number): string {
  const flat = text.replace(/\p{Cc}+/gu, ' ').trim();
  return flat.length <= charsMax ? flat : `${flat.slice(0, charsMax - 1)}…`;
}
