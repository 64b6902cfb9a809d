import type { TraceContext } from '../../kernel/trace-context.ts';
import { quoted } from './envelope.ts';
import { jsonMembers, stringMember, type JsonMember } from '../../kernel/json-scan.ts';

export interface PassThroughInput {
  readonly event: Uint8Array;
  readonly topic: string;
  readonly pubsub: string;
  readonly time: string;
  readonly trace: TraceContext;
  readonly expiration?: string | undefined;
}

/**
 * Completes an event that is a CloudEvent already: only what is missing is filled in, `topic` and `pubsubname` are always set, everything else
 * keeps its bytes. Undefined when it is no JSON object. Of members that stand twice the last one counts, as in Go.
 */
export function completeEvent(input: PassThroughInput): Buffer | undefined {
  const { event } = input;
  const members = jsonMembers(event);
  if (members === undefined) return undefined;
  const byName = new Map<string, JsonMember>();
  for (const member of members) byName.set(member.name, member);
  const parts: Buffer[] = [];
  const whole = Buffer.from(event.buffer, event.byteOffset, event.length);
  const add = (name: string, value: Buffer | string): void => {
    parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}${quoted(name)}:`), typeof value === 'string' ? Buffer.from(value) : value);
  };
  const set = new Map<string, string>([
    ['topic', quoted(input.topic)],
    ['pubsubname', quoted(input.pubsub)],
    ...(input.expiration === undefined ? [] : [['expiration', quoted(input.expiration)] as const]),
  ]);
  for (const [name, { from, to }] of byName) {
    if (set.has(name) || (hasDefault.has(name) && isNull(whole, from, to))) continue;
    add(name, whole.subarray(from, to));
  }
  for (const [name, value] of set) add(name, value);
  const missing = (name: string): boolean => {
    const member = byName.get(name);
    return member === undefined || (hasDefault.has(name) && isNull(whole, member.from, member.to));
  };
  if (missing('time')) add('time', quoted(input.time));
  if (missing('source')) add('source', '"Dapr"');
  if (missing('type')) add('type', '"com.dapr.event.sent"');
  if (missing('specversion')) add('specversion', '"1.0"');
  const traceparent =
    stringMember(event, byName.get('traceparent')) ?? stringMember(event, byName.get('traceid')) ?? input.trace.traceparent;
  if (missing('traceid')) add('traceid', quoted(traceparent));
  if (missing('traceparent')) add('traceparent', quoted(traceparent));
  if (missing('tracestate')) add('tracestate', quoted(input.trace.tracestate));
  parts.push(Buffer.from('}'));
  return Buffer.concat(parts);
}

/** Attributes that get their default when they are null, too. */
const hasDefault: ReadonlySet<string> = new Set(['source', 'type', 'specversion']);

function isNull(bytes: Buffer, from: number, to: number): boolean {
  return to - from === 4 && bytes.toString('latin1', from, to) === 'null';
}
