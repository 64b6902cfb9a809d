import type { CallRecord, Decision, RecordedAttempt } from '../host/admin.ts';
import type { Output } from './output.ts';
import { harmless } from './output.ts';

/** Prints what runtimes know about one trace, oldest call first. */
export function printStory(traceId: string, calls: readonly CallRecord[], output: Output): void {
  const runtimes = new Set(calls.map(({ app }) => app));
  output.line(`trace ${traceId}: ${count(calls.length, 'part')}, from ${count(runtimes.size, 'runtime')}`);
  for (const call of calls) printCall(call, output);
}

function printCall(call: CallRecord, output: Output): void {
  const { attempts, decisions, error, deadlineLeftMs, lost } = call;
  output.line();
  const end = call.ok ? output.style('green', resultOf(call)) : output.style('red', resultOf(call));
  output.line(`${timeOf(call.startedAtMs)}  ${output.style('bold', headline(call))}  ${end}`);
  if (call.flags.length > 0) field('flags', call.flags.join(', '), output);
  if (error !== undefined) field('error', harmless(error.message), output);
  if (deadlineLeftMs !== undefined)
    field('deadline', deadlineLeftMs > 0 ? `${milliseconds(deadlineLeftMs)} were left` : 'had passed', output);
  if (attempts.length > 0 || decisions.length > 0) field('policies', `version ${call.epoch}`, output);
  for (const decision of decisions.filter((each) => isBefore(each))) printDecision(decision, output);
  const shown = shownAttempts(attempts);
  for (const [i, attempt] of shown.entries()) {
    printAttempt(attempt, output);
    // Attempts beside each other share a number: what was decided about them is told once, behind the last.
    if (shown.slice(i + 1).some(({ number }) => number === attempt.number)) continue;
    for (const decision of decisions) if (!isBefore(decision) && decision.attempt === attempt.number) printDecision(decision, output);
  }
  const known = new Set(attempts.map(({ number }) => number));
  for (const decision of decisions) if (!isBefore(decision) && !known.has(decision.attempt)) printDecision(decision, output);
  if (lost > 0) field('lost', `${lost} more were not kept`, output);
}

/**
 * The attempts as they began. Where several ran beside each other for one repetition, that one has an entry too, which went nowhere by itself; of entries that all went
 * nowhere the one that began last says why.
 */
function shownAttempts(attempts: readonly RecordedAttempt[]): RecordedAttempt[] {
  const sorted = attempts.toSorted((a, b) => a.atMs - b.atMs);
  return sorted.filter((attempt, i) => {
    if (attempt.endpoint !== undefined) return true;
    const same = sorted.filter(({ number }) => number === attempt.number);
    return !same.some(({ endpoint }) => endpoint !== undefined) && same.at(-1) === sorted[i];
  });
}

/** Roles that act on the logical call, before any attempt. */
const before = new Set(['deadline', 'authorise', 'access', 'fault', 'system', 'admission', 'limit', 'mirror', 'split']);

function isBefore({ role }: Decision): boolean {
  return before.has(role);
}

function printDecision({ role, what, policy, origin }: Decision, output: Output): void {
  field(role, harmless(what), output);
  const source = [policy, origin].filter((part) => part !== undefined && part !== '').join(', ');
  if (source !== '') output.line(`${' '.repeat(17)}${output.style('dim', source)}`);
}

function printAttempt(attempt: RecordedAttempt, output: Output): void {
  const { number, endpoint, atMs, tookMs, breakerBefore, breakerAfter, inFlight, waitedMs } = attempt;
  const breaker =
    breakerBefore === undefined
      ? undefined
      : breakerAfter === undefined || breakerAfter === breakerBefore
        ? `breaker ${breakerBefore}`
        : `breaker ${breakerBefore}, then ${breakerAfter}`;
  const parts = [
    `at ${milliseconds(atMs)} for ${milliseconds(tookMs)}`,
    resultOf({ ...attempt, error: attempt.error === undefined ? undefined : { code: attempt.error } }),
    endpoint,
    breaker,
    inFlight === undefined ? undefined : `${inFlight} in flight`,
    waitedMs === undefined ? undefined : `waited ${milliseconds(waitedMs)} for a place`,
  ];
  field(`attempt ${number + 1}`, parts.filter((part) => part !== undefined).join(' · '), output);
}

function field(name: string, text: string, output: Output): void {
  output.line(`  ${output.style('bold', name.padEnd(13))}  ${text}`);
}

function headline({ side, app, block, target, operation, caller, method, path }: CallRecord): string {
  if (block !== 'invoke') return `${app}: ${operation} of ${block} ${target}${side === 'inbound' ? ' arrives' : ''}`;
  const what = `${method ?? ''} ${path ?? ''}`;
  return side === 'outbound' ? `${app} calls ${target}  ${what}` : `${app} is called by ${caller || 'somebody'}  ${what}`;
}

function resultOf({ ok, status, error }: { ok: boolean; status?: number; error?: { code: string } | undefined }): string {
  const how = [status, error?.code].filter((part) => part !== undefined).join(' ');
  return how === '' ? (ok ? 'ok' : 'failed') : how;
}

function timeOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

function milliseconds(ms: number): string {
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(2)} s` : `${ms >= 10 ? Math.round(ms) : ms.toFixed(1)} ms`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
