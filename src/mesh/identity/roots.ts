import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { tuple, type Key } from '../../kernel/tuple.ts';

/** A root as the engine keeps it: public, for everybody to trust. */
export interface Root {
  readonly id: string;
  /** PEM. */
  readonly certificate: string;
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly publicKey: string;
  readonly createdMs: number;
  /** It signs from this instant on; before, it is only made known. */
  readonly signsFromMs: number;
  readonly notAfterMs: number;
}

/** The key under which the roots of a trust domain stand. */
export function rootsKey(trustDomain: string): Key {
  return tuple('identity', 'roots', trustDomain);
}

function pastKey(trustDomain: string): Key {
  return tuple('identity', 'past-roots', trustDomain);
}

/** Roots that have retired, oldest first. */
export async function readPastRoots(engine: Engine, trustDomain: string): Promise<readonly Root[]> {
  const entry = await engine.get(pastKey(trustDomain));
  return entry === undefined ? [] : (JSON.parse(Buffer.from(entry.value).toString('utf8')) as Root[]);
}

/** More than a century of roots that are replaced twice a year; one is half a kilobyte. */
const pastMax = 256;

/** The roots of a trust domain, oldest first, and the version to write them back with. */
export async function readRoots(engine: Engine, trustDomain: string): Promise<{ roots: readonly Root[]; version: number }> {
  const entry = await engine.get(rootsKey(trustDomain));
  if (entry === undefined) return { roots: [], version: 0 };
  return { roots: JSON.parse(Buffer.from(entry.value).toString('utf8')) as Root[], version: entry.version };
}

/** Writes the roots, and with them those that retire, when nobody else did meanwhile; false otherwise. */
export async function writeRoots(
  engine: Engine,
  trustDomain: string,
  next: { readonly roots: readonly Root[]; readonly retired?: readonly Root[]; readonly version: number },
): Promise<boolean> {
  const { retired = [] } = next;
  const past = retired.length === 0 ? undefined : [...(await readPastRoots(engine, trustDomain)), ...retired].slice(-pastMax);
  const key = rootsKey(trustDomain);
  const result = await engine.commit({
    if: [{ kind: 'version', key, version: next.version }],
    put: [
      { key, value: Buffer.from(JSON.stringify(next.roots)) },
      ...(past === undefined ? [] : [{ key: pastKey(trustDomain), value: Buffer.from(JSON.stringify(past)) }]),
    ],
  });
  if (result.status === 'unknown')
    throw new ProaError('engine.unavailable', 'the roots of the mesh cannot be written', { cause: result.cause });
  return result.status === 'done';
}

/** The roots to trust, PEM. */
export function bundleOf(roots: readonly Root[]): string {
  return roots.map(({ certificate }) => certificate).join('');
}
