import { delimiter, dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import type { Ports } from '../../kernel/ports.ts';

const named = <Kind extends string, Schema extends v.GenericSchema>(kind: Kind, schema: Schema) =>
  // kubectl writes null where there are none.
  v.nullish(v.array(v.looseObject({ name: v.string(), [kind]: schema } as { name: v.StringSchema<undefined> } & Record<Kind, Schema>)), []);
const text = v.optional(v.string());
const schema = v.looseObject({
  'current-context': v.nullish(v.string(), ''),
  contexts: named('context', v.looseObject({ cluster: v.string(), user: text, namespace: text })),
  clusters: named(
    'cluster',
    v.looseObject({
      server: v.string(),
      'certificate-authority': text,
      'certificate-authority-data': text,
      'insecure-skip-tls-verify': v.optional(v.boolean()),
      'tls-server-name': text,
    }),
  ),
  users: named(
    'user',
    v.looseObject({
      token: text,
      tokenFile: text,
      'client-certificate': text,
      'client-certificate-data': text,
      'client-key': text,
      'client-key-data': text,
    }),
  ),
});
type Parsed = v.InferOutput<typeof schema>;

/** An entry, and the file that it stands in: relative paths in it are meant from there. */
export interface KubeconfigEntry<Fields> {
  readonly fields: Fields;
  readonly file: string;
  near(path: string): string;
}

/** One or several kubeconfig files as one. An entry is looked for in the files' order and taken whole from the first that has it; if none has it, that is an Error. */
export interface Kubeconfig {
  readonly currentContext: string;
  context(name: string): KubeconfigEntry<Parsed['contexts'][number]['context']>;
  cluster(name: string): KubeconfigEntry<Parsed['clusters'][number]['cluster']>;
  user(name: string): KubeconfigEntry<Parsed['users'][number]['user']>;
}

/**
 * Reads a file; or, of the list that the variable KUBECONFIG holds, those that are there, and merges them as kubectl does
 * (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig). Fails with an Error that names the file.
 */
export async function readKubeconfig(
  { disk, process }: Pick<Ports, 'disk' | 'process'>,
  given: { readonly path: string } | { readonly list: string },
): Promise<Kubeconfig> {
  const listed = 'list' in given;
  const files = listed ? given.list.split(delimiter).filter((path) => path !== '') : [given.path];
  const found: (readonly [file: string, Parsed])[] = [];
  for (const file of new Set(files.map((path) => resolve(process.cwd(), path)))) {
    const bytes = await disk.readFile(file).catch((error: Error & { readonly code?: string }) => {
      if (listed && error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (bytes !== undefined) found.push([file, parsed(file, bytes)]);
  }
  if (found.length === 0) throw new Error(`KUBECONFIG names no file that exists: ${files.join(delimiter)}`);
  const all = found.map(([file]) => file).join(delimiter);
  const currentContext = found.map(([, config]) => config['current-context']).find((name) => name !== '');
  if (currentContext === undefined) throw new Error(`${all} has no current-context`);
  const pick = <Fields>(kind: string, name: string, fieldsOf: (config: Parsed) => Fields | undefined): KubeconfigEntry<Fields> => {
    for (const [file, config] of found) {
      const fields = fieldsOf(config);
      if (fields !== undefined) return { fields, file, near: (path) => resolve(dirname(file), path) };
    }
    throw new Error(`${all} has no ${kind} "${name}"`);
  };
  return {
    currentContext,
    context: (name) => pick('context', name, ({ contexts }) => contexts.find((one) => one.name === name)?.context),
    cluster: (name) => pick('cluster', name, ({ clusters }) => clusters.find((one) => one.name === name)?.cluster),
    user: (name) => pick('user', name, ({ users }) => users.find((one) => one.name === name)?.user),
  };
}

function parsed(file: string, bytes: Uint8Array): Parsed {
  let document: unknown;
  try {
    // An empty file is one without entries.
    document = parse(textOf(bytes)) ?? {};
  } catch (error) {
    throw new Error(`${file} is no kubeconfig: ${(error as Error).message}`, { cause: error });
  }
  const result = v.safeParse(schema, document);
  if (result.success) return result.output;
  throw new Error(`${file} is no kubeconfig: ${v.getDotPath(result.issues[0]) ?? ''} ${result.issues[0].message}`);
}

/** What a file holds, as text. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
