/** `spec.metrics.http` of a Configuration, as far as it shapes labels (Dapr reference 10.5, 14.2). */
export interface HttpMetricsOptions {
  /** Paths as labels, what looks like an id cut out. Without it only what `pathMatching` names is a label. */
  readonly increasedCardinality: boolean;
  /** Patterns as Go's ServeMux takes them: `/orders/{id}`, `/files/{rest...}`, `/docs/` with everything below, `/{$}`. */
  readonly pathMatching: readonly string[];
  /** Leaves the method out. */
  readonly excludeVerbs: boolean;
}

/** What holds without a Configuration. */
export const httpMetricsDefaults: HttpMetricsOptions = { increasedCardinality: true, pathMatching: [], excludeVerbs: false };

const staticPaths = new Set(['/dapr/config', '/dapr/metrics', '/dapr/subscribe', '/healthz']);

/** The label of a path; empty: the label is left out. */
export function createPathLabel({ increasedCardinality, pathMatching }: HttpMetricsOptions): (path: string) => string {
  const match = createPathMatcher(pathMatching);
  if (increasedCardinality) return (path) => match(path) ?? pathLabel(path);
  // Dapr's mark for what matches none of the patterns.
  const unmatched = pathMatching.length > 0 ? '_' : '';
  return (path) => match(path) ?? (staticPaths.has(path) ? path : unmatched);
}

/** Why a text is no pattern; undefined when it is one. */
export function pathPatternError(pattern: string): string | undefined {
  if (!pattern.startsWith('/')) return 'it must begin with /';
  const segments = pattern.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    if (!/[{}]/.test(segment) || isWildcard(segment)) continue;
    const whole = segment === '{$}' || /^\{\w+\.\.\.\}$/.test(segment);
    if (!whole) return `"${segment}" is no variable: write {name}, of letters, digits and _, as a whole segment`;
    if (i < segments.length - 1) return `"${segment}" can stand at the end only`;
  }
  return undefined;
}

interface Pattern {
  readonly text: string;
  readonly segments: readonly string[];
  /** It ends with `/` or `{name...}`: everything below belongs to it. */
  readonly open: boolean;
}

function createPathMatcher(patterns: readonly string[]): (path: string) => string | undefined {
  const compiled = patterns.map(compile).toSorted(moreSpecific);
  if (compiled.length === 0) return () => undefined;
  return (path) => {
    const segments = path.split('/').slice(1);
    return compiled.find((pattern) => fits(pattern, segments))?.text;
  };
}

function compile(text: string): Pattern {
  const segments = text.split('/').slice(1);
  const last = segments.at(-1) ?? '';
  if (last === '{$}') return { text, segments: [...segments.slice(0, -1), ''], open: false };
  const open = last === '' || /^\{\w+\.\.\.\}$/.test(last);
  return { text, segments: open ? segments.slice(0, -1) : segments, open };
}

function fits({ segments, open }: Pattern, path: readonly string[]): boolean {
  if (open ? path.length <= segments.length : path.length !== segments.length) return false;
  return segments.every((segment, i) => (isWildcard(segment) ? path[i] !== '' : segment === path[i]));
}

function isWildcard(segment: string): boolean {
  return /^\{\w+\}$/.test(segment);
}

// At the first place where they differ the literal segment wins, then the wildcard, then the pattern that is open there.
function moreSpecific(a: Pattern, b: Pattern): number {
  const rank = ({ segments }: Pattern, i: number): number => {
    const segment = segments[i];
    if (segment === undefined) return 2;
    return isWildcard(segment) ? 1 : 0;
  };
  for (let i = 0; i < Math.max(a.segments.length, b.segments.length); i++) {
    const order = rank(a, i) - rank(b, i);
    if (order !== 0) return order;
  }
  return Number(a.open) - Number(b.open);
}

/** The path as a label: ids cut out (Dapr reference 14.2), and more than Dapr in what apps are called with, where each order would be a series. */
function pathLabel(path: string): string {
  if (path.startsWith('/v1.0')) return apiLabel(path);
  // `*` of OPTIONS.
  if (!path.startsWith('/')) return withoutIds(`/${path}`, 0).slice(1);
  // Ids of actors are without number: `/actors/<type>/{id}/...` in calls into the app.
  if (path.startsWith('/actors/') && path.length > slash(path, 3))
    return `${path.slice(0, slash(path, 3))}/{id}${path.slice(slash(path, 4), slash(path, 5))}`;
  if (path.startsWith('/proa/') && path.slice(slash(path, 3), slash(path, 4)) === '/actors') return path.slice(0, slash(path, 5));
  return withoutIds(path, 0);
}

/** At most three segments of state and secrets. */
function apiLabel(path: string): string {
  const third = slash(path, 3);
  const fourth = slash(path, 4);
  switch (path.slice(slash(path, 2) + 1, third)) {
    case 'invoke':
      return fourth === path.length ? path : withoutIds(path, slash(path, 5));
    case 'state':
    case 'secrets':
    case 'bindings':
    case 'configuration':
    case 'publish':
    case 'jobs':
      return path.slice(0, fourth);
    case 'actors':
      return fourth === path.length ? path : `${path.slice(0, fourth)}/{id}/${path.slice(slash(path, 5) + 1, slash(path, 6))}`;
    case 'workflows':
      return fourth === path.length ? path : workflowLabel(path);
    default:
      return path;
  }
}

/** `/v1.0/workflows/<component>/{instanceId}/<what>`; of a start the name of the workflow, as Dapr has it. */
function workflowLabel(path: string): string {
  const [, api, block, component, what = '', kind, event] = path.split('/', 7);
  if (kind?.startsWith('start') === true) return `/${api}/${block}/${component}/${what}/start`;
  const below = kind === undefined ? '' : `/${kind}${event === undefined ? '' : '/{eventName}'}`;
  return `/${api}/${block}/${component}/{instanceId}${below}`;
}

/** Where the nth slash of a path is, the first being its first character; its length where there is none. */
function slash(path: string, nth: number): number {
  let at = 0;
  for (let n = 1; n < nth; n++) {
    at = path.indexOf('/', at + 1);
    if (at === -1) return path.length;
  }
  return at;
}

/** The segments from a slash on that are no names are ids. */
function withoutIds(path: string, from: number): string {
  let label = '';
  let kept = 0;
  for (let start = from; start < path.length;) {
    const next = path.indexOf('/', start + 1);
    const end = next === -1 ? path.length : next;
    if (!isName(path, start + 1, end)) {
      label += `${path.slice(kept, start)}/{id}`;
      kept = end;
    }
    start = end;
  }
  return kept === 0 ? path : label + path.slice(kept);
}

/** Words, also with a number of up to three digits behind them, and versions (`v1.20.3`) are names of things; whatever else stands in a path is somebody's id. */
function isName(path: string, from: number, to: number): boolean {
  if (from === to) return true;
  if (kindOf(path, from) !== letter) return false;
  let at = from + 1;
  while (at < to && kindOf(path, at) >= mark) at++;
  if (at - from > wordMax) return false;
  let digits = digitsEnd(path, at, to);
  if (digits - at > 3) return false;
  if (digits === to) return true;
  // A version has nothing but numbers behind its letter.
  if (at !== from + 1 || path.charCodeAt(from) !== 118 || digits === at) return false;
  for (let dots = 1; dots <= 3 && path.charCodeAt(digits) === 46; dots++) {
    const number = digits + 1;
    digits = digitsEnd(path, number, to);
    if (digits === number || digits - number > 3) return false;
    if (digits === to) return true;
  }
  return false;
}

function digitsEnd(path: string, from: number, to: number): number {
  let at = from;
  while (at < to && kindOf(path, at) === digit) at++;
  return at;
}

const wordMax = 64;
const [other, digit, mark, letter] = [0, 1, 2, 3] as const;
/** What a character is: a letter, one of `_.-`, a digit. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  const text = String.fromCharCode(code);
  if (/[A-Za-z]/.test(text)) return letter;
  if (/[_.-]/.test(text)) return mark;
  return /\d/.test(text) ? digit : other;
});

function kindOf(path: string, at: number): number {
  const code = path.charCodeAt(at);
  return code < 128 ? (kinds[code] as number) : other;
}
