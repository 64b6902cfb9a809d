import { resolve } from 'node:path';
import { closest } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';

/** Where an engine is: the data directory of a journal, or a PostgreSQL database. `url` may hold a password: it is never printed. */
export type EnginePlace =
  | { readonly kind: 'journal'; readonly directory: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly schema?: string };

/** True for the URL of a database; everything else names a directory. */
export function isDatabaseUrl(text: string): boolean {
  return /^postgres(ql)?:/i.test(text);
}

/**
 * Reads `postgres://user@host/database?schema=name`, or a directory relative to `cwd`. Fails with `config.invalid` for a URL that is none, or is that of
 * another database, without repeating it.
 */
export function readEnginePlace(text: string, cwd: string): EnginePlace {
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(text)?.[1];
  if (scheme !== undefined && !isDatabaseUrl(text))
    throw new ProaError('config.invalid', `there is no engine for ${scheme}: URLs`, {
      hint: 'a PostgreSQL database (postgres://user@host/database), or a directory',
    });
  if (!isDatabaseUrl(text)) return { kind: 'journal', directory: resolve(cwd, text) };
  const url = parsed(text);
  refuseMisspelt(url);
  const schema = url.searchParams.get('schema');
  url.searchParams.delete('schema');
  return { kind: 'postgres', url: url.href, ...(schema === null ? {} : { schema }) };
}

const parameters = ['schema', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'ssl', 'application_name', 'options', 'connect_timeout'];

// Providers add parameters of their own, so not every unknown one is a mistake; one that is nearly known is, and the data would go elsewhere.
function refuseMisspelt(url: URL): void {
  for (const name of url.searchParams.keys()) {
    const guess = parameters.includes(name) ? undefined : closest(name, parameters);
    if (guess === undefined) continue;
    throw new ProaError('config.invalid', `the URL of the engine has the parameter "${name}"`, { hint: `did you mean ${guess}?` });
  }
}

/** For logs and answers: a database without user and password. */
export function describePlace(place: EnginePlace): string {
  if (place.kind === 'journal') return place.directory;
  const { protocol, host, pathname } = new URL(place.url);
  return `${protocol}//${host}${pathname}${place.schema === undefined ? '' : ` (schema ${place.schema})`}`;
}

/** True when the URL carries a password. */
export function hasPassword(text: string): boolean {
  const url = parsed(text);
  return url.password !== '' || url.searchParams.has('password');
}

function parsed(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new ProaError('config.invalid', 'the URL of the engine cannot be read', {
      hint: 'postgres://user@host:5432/database, with special characters percent-encoded; a socket is postgres://user@%2Frun%2Fpostgresql/database',
    });
  }
}
