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

/** The roots of a trust domain, oldest first, and the version to write them back with. */
export async function readRoots(engine: Engine, trustDomain: string): Promise<{ roots: readonly Root[]; version: number }> {
  const entry = await engine.get(rootsKey(trustDomain));
  if (entry === undefined) return { roots: [], version: 0 };
  return { roots: JSON.parse(Buffer.from(entry.value).toString('utf8')) as Root[], version: entry.version };
}

/** Writes the roots when nobody else did meanwhile; false otherwise. */
export async function writeRoots(engine: Engine, trustDomain: string, next: { roots: readonly Root[]; version: number }): Promise<boolean> {
  const key = rootsKey(trustDomain);
  const result = await engine.commit({
    if: [{ kind: 'version', key, version: next.version }],
    put: [{ key, value: Buffer.from(JSON.stringify(next.roots)) }],
  });
  if (result.status === 'unknown')
    throw new ProaError('engine.unavailable', 'the roots of the mesh cannot be written', { cause: result.cause });
  return result.status === 'done';
}

/** The roots to trust, PEM. */
export function bundleOf(roots: readonly Root[]): string {
  return roots.map(({ certificate }) => certificate).join('');
}
