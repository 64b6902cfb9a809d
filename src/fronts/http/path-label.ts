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
  const segments = path.split('/', 5);
  // Ids of actors are without number: `/actors/<type>/{id}/...` in calls into the app.
  if (segments[1] === 'actors' && segments[3] !== undefined)
    return `/actors/${segments[2]}/{id}${segments[4] === undefined ? '' : `/${segments[4]}`}`;
  if (segments[1] === 'proa' && segments[3] === 'actors') return segments.slice(0, 5).join('/');
  return withoutIds(path, 0);
}

/** At most three segments of state and secrets. */
function apiLabel(path: string): string {
  const segments = path.split('/', 5);
  const block = segments[2];
  if (block === 'invoke') return segments.length < 5 ? path : withoutIds(path, segments.join('/').length);
  if (block === 'state' || block === 'secrets' || block === 'bindings' || block === 'configuration') return segments.slice(0, 4).join('/');
  if (block === 'actors' && segments[4] !== undefined) return `${segments.slice(0, 4).join('/')}/{id}/${path.split('/', 6)[5] ?? ''}`;
  if (block === 'workflows' && segments[4] !== undefined) return workflowLabel(path);
  if (block === 'publish' || block === 'jobs') return segments.slice(0, 4).join('/');
  return path;
}

/** `/v1.0/workflows/<component>/{instanceId}/<what>`; of a start the name of the workflow, as Dapr has it. */
function workflowLabel(path: string): string {
  const [, api, block, component, what = '', kind, event] = path.split('/', 7);
  if (kind?.startsWith('start') === true) return `/${api}/${block}/${component}/${what}/start`;
  const below = kind === undefined ? '' : `/${kind}${event === undefined ? '' : '/{eventName}'}`;
  return `/${api}/${block}/${component}/{instanceId}${below}`;
}

/** Words, also with a number behind them, and versions are names of things; whatever else stands in a path is somebody's id. */
const named = /^(?:[A-Za-z][A-Za-z_.-]{0,63}\d{0,3}|v\d{1,3}(?:\.\d{1,3}){0,3})?$/;

function withoutIds(path: string, from: number): string {
  const segments = path.slice(from).split('/');
  let found = false;
  for (let i = 0; i < segments.length; i++) {
    if (named.test(segments[i] as string)) continue;
    segments[i] = '{id}';
    found = true;
  }
  return found ? path.slice(0, from) + segments.join('/') : path;
}
