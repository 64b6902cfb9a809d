import { ProaError } from '../kernel/errors.ts';

interface Row<T> {
  readonly segments: readonly string[];
  readonly httpMethods: readonly string[] | undefined;
  readonly value: T;
}

const placeholder = /^\{([A-Za-z_]\w*)\}$/;

/** Paths with placeholders. Of several that fit, the one with the fewest placeholders wins. */
export class PathTable<T> {
  readonly #rows: Row<T>[] = [];

  /** Fails with `config.invalid` for a path that is there already, in the same or another spelling of its placeholders. */
  add(path: string, value: T, httpMethods?: readonly string[]): void {
    const segments = path.replace(/^\/+|\/+$/g, '').split('/');
    const shape = segments.map((segment) => (placeholder.test(segment) ? '{}' : segment)).join('/');
    const methods = httpMethods?.map((method) => method.toUpperCase());
    const clash = this.#rows.some(
      (row) =>
        row.segments.map((segment) => (placeholder.test(segment) ? '{}' : segment)).join('/') === shape &&
        (row.httpMethods === undefined || methods === undefined || row.httpMethods.some((method) => methods.includes(method))),
    );
    if (clash) throw new ProaError('config.invalid', `method ${path} has two handlers`);
    this.#rows.push({ segments, httpMethods: methods, value });
    this.#rows.sort((a, b) => specificity(a) - specificity(b));
  }

  find(path: string, httpMethod: string): { readonly value: T; readonly params: Readonly<Record<string, string>> } | undefined {
    const segments = path.split('/');
    for (const row of this.#rows) {
      if (row.httpMethods !== undefined && !row.httpMethods.includes(httpMethod)) continue;
      const params = match(row.segments, segments);
      if (params !== undefined) return { value: row.value, params };
    }
    return undefined;
  }
}

function specificity(row: Row<unknown>): number {
  return row.segments.filter((segment) => placeholder.test(segment)).length;
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params = Object.create(null) as Record<string, string>;
  for (const [i, part] of pattern.entries()) {
    const name = placeholder.exec(part)?.[1];
    const segment = segments[i] as string;
    if (name === undefined ? part !== segment : segment === '') return undefined;
    if (name !== undefined) params[name] = segment;
  }
  return params;
}
