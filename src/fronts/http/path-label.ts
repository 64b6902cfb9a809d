/** `spec.metrics.http` of a Configuration, as far as it shapes labels (Dapr reference 10.5, 14.2). */
export interface HttpMetricsOptions {
  /** Paths as labels, ids cut out. Without it only what `pathMatching` names is a label. */
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

/** The path as a label: ids cut out, at most three segments of state and secrets (Dapr reference 14.2). */
function pathLabel(path: string): string {
  const segments = path.split('/', 5);
  const block = segments[2];
  if (block === 'state' || block === 'secrets' || block === 'bindings' || block === 'configuration') return segments.slice(0, 4).join('/');
  // Ids of actors are without number: `/v1.0/actors/<type>/{id}/<kind>`, and `/actors/<type>/{id}/...` in calls into the app.
  if (block === 'actors' && segments[4] !== undefined) return `${segments.slice(0, 4).join('/')}/{id}/${path.split('/', 6)[5] ?? ''}`;
  if (segments[1] === 'actors' && segments[3] !== undefined)
    return `/actors/${segments[2]}/{id}${segments[4] === undefined ? '' : `/${segments[4]}`}`;
  if (segments[1] === 'proa' && segments[3] === 'actors') return segments.slice(0, 5).join('/');
  if (block === 'publish' || block === 'jobs') return segments.slice(0, 4).join('/');
  return path;
}
