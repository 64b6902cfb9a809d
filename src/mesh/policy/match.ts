import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Call } from '../../kernel/call.ts';
import type { HeaderMatch, Match } from './model.ts';
import { compileTemplate, templateRank } from './path-template.ts';

/** Whether a rule applies to a call. Decided once per call, synchronously, without allocating. */
export type Matcher = (call: Call<InvokeRequest>) => boolean;

/** Compiles the parts of a match that calls decide; undefined when none is there, so that the rule always applies. */
export function compileMatch(match: Match | undefined): Matcher | undefined {
  if (match === undefined) return undefined;
  const tests: Matcher[] = [];
  const { methods, path, callers, headers, cookies } = match;
  if (methods !== undefined) {
    const set = new Set(methods);
    tests.push((call) => set.has(call.input.httpMethod));
  }
  if (callers !== undefined) {
    const set = new Set(callers);
    tests.push((call) => set.has(call.caller.appId));
  }
  if (path !== undefined) {
    const fits = compileTemplate(path);
    tests.push((call) => fits(call.input.path));
  }
  for (const header of headers ?? []) {
    const fits = valueTest(header);
    tests.push((call) => fits(headerOf(call.input.headers, header.name)));
  }
  for (const cookie of cookies ?? []) {
    const fits = valueTest(cookie);
    tests.push((call) => fits(cookieOf(call.input.headers, cookie.name)));
  }
  if (tests.length === 0) return undefined;
  if (tests.length === 1) return tests[0];
  return (call) => {
    for (let i = 0; i < tests.length; i++) if (!(tests[i] as Matcher)(call)) return false;
    return true;
  };
}

function valueTest(wanted: HeaderMatch): (value: string | undefined) => boolean {
  if ('exact' in wanted) return (value) => value === wanted.exact;
  if ('prefix' in wanted) return (value) => value !== undefined && value.startsWith(wanted.prefix);
  return (value) => (value !== undefined) === wanted.present;
}

/** The first value of a header; names of flat pairs are in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** The value of a cookie of the request. */
export function cookieOf(headers: readonly string[], name: string): string | undefined {
  const all = headerOf(headers, 'cookie');
  if (all === undefined) return undefined;
  for (let at = 0; at < all.length;) {
    while (all.charCodeAt(at) === 32) at++;
    let end = all.indexOf(';', at);
    if (end < 0) end = all.length;
    if (all.startsWith(name, at) && all.charCodeAt(at + name.length) === 61) return all.slice(at + name.length + 1, end).trim();
    at = end + 1;
  }
  return undefined;
}

/** Larger wins when several rules of one target set the same class: path before callers before headers before methods. */
export function matchRank(match: Match | undefined): number {
  if (match === undefined) return -1;
  const pairs = (match.headers?.length ?? 0) + (match.cookies?.length ?? 0);
  return (
    (match.path === undefined ? 0 : templateRank(match.path) * 10_000) +
    (match.callers === undefined ? 0 : 5_000) +
    Math.min(pairs, 99) * 10 +
    (match.methods === undefined ? 0 : 5) +
    (match.operations === undefined ? 0 : 1)
  );
}

/** The same text for two matches that apply to exactly the same calls. */
export function matchKey(match: Match | undefined): string {
  if (match === undefined) return '';
  const sorted = (list: readonly unknown[] | undefined): string =>
    JSON.stringify((list ?? []).map((item) => JSON.stringify(item)).toSorted());
  return [
    match.path ?? '',
    sorted(match.methods),
    sorted(match.callers),
    sorted(match.headers),
    sorted(match.cookies),
    sorted(match.operations),
  ].join('|');
}
