import { TextMemo } from '../../kernel/text-memo.ts';
import type { HttpMetrics, PathCounts } from './front-metrics.ts';
import { destinationOf, type Destination } from './invoke-target.ts';
import type { Routed, Router } from './router.ts';

/** What a listener knows of one path, each part from when it is first asked for: the row that it matches, the app that it calls, how it is counted. */
export class KnownPath {
  /** Without the query; `//` is not folded yet. */
  readonly path: string;
  readonly counts: PathCounts;
  readonly #router: Router;
  /** Of the last request. */
  #method = '';
  #found: Routed;
  #destination: Destination | undefined = undefined;

  constructor(path: string, router: Router, metrics: HttpMetrics) {
    this.path = path;
    this.counts = metrics.of(path);
    this.#router = router;
  }

  /** What a request with that method matches. */
  match(method: string): Routed {
    if (this.#method !== method) {
      // No row lives below this prefix, so the commonest call skips the tree.
      this.#found = this.path.startsWith(invocations) ? undefined : this.#router.match(method, this.path);
      this.#method = method;
    }
    return this.#found;
  }

  /** What the path alone calls, when it matches no row. */
  destination(): Destination {
    return (this.#destination ??= destinationOf(this.path, noHeaders));
  }
}

const invocations = '/v1.0/invoke/';
const noHeaders = { header: () => undefined };

/** What was known of recent paths. */
export type KnownPaths = TextMemo<KnownPath>;

/** A request looks for its path once: everything that hangs on it lies together. */
export function createKnownPaths(router: Router, metrics: HttpMetrics): KnownPaths {
  return new TextMemo((path) => new KnownPath(path, router, metrics));
}
