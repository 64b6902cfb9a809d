import { ProaError } from '../kernel/errors.ts';

interface Row<T> {
  readonly segments: readonly string[];
  /** Names of placeholders, by place. */
  readonly names: readonly (string | undefined)[];
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
    const names = segments.map((segment) => placeholder.exec(segment)?.[1]);
    const shape = shapeOf({ segments, names });
    const methods = httpMethods?.map((method) => method.toUpperCase());
    const clash = this.#rows.some(
      (row) =>
        shapeOf(row) === shape &&
        (row.httpMethods === undefined || methods === undefined || row.httpMethods.some((method) => methods.includes(method))),
    );
    if (clash) throw new ProaError('config.invalid', `method ${path} has two handlers`);
    this.#rows.push({ segments, names, httpMethods: methods, value });
    this.#rows.sort((a, b) => specificity(a) - specificity(b));
  }

  find(path: string, httpMethod: string): { readonly value: T; readonly params: Readonly<Record<string, string>> } | undefined {
    const segments = path.split('/');
    for (const row of this.#rows) {
      if (row.httpMethods !== undefined && !row.httpMethods.includes(httpMethod)) continue;
      const params = match(row, segments);
      if (params !== undefined) return { value: row.value, params };
    }
    return undefined;
  }
}

type Pattern = Pick<Row<unknown>, 'segments' | 'names'>;

function shapeOf({ segments, names }: Pattern): string {
  return segments.map((segment, i) => (names[i] === undefined ? segment : '{}')).join('/');
}

function specificity({ names }: Row<unknown>): number {
  return names.filter((name) => name !== undefined).length;
}

function match(pattern: Pattern, segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.segments.length !== segments.length) return undefined;
  for (let i = 0; i < segments.length; i++)
    if (pattern.names[i] === undefined ? pattern.segments[i] !== segments[i] : segments[i] === '') return undefined;
  const params = Object.create(null) as Record<string, string>;
  for (let i = 0; i < segments.length; i++) {
    const name = pattern.names[i];
    if (name !== undefined) params[name] = segments[i] as string;
  }
  return params;
}
