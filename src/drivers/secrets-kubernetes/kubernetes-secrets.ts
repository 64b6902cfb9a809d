import type { InferOutput } from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchBytes } from '../../contracts/fetch-bytes.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import type { Metadata } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import { findCluster } from './cluster-access.ts';
import type { config } from './config.ts';

const timeoutMs = 10_000;
const answerBytesMax = 32 * 1024 * 1024;
const pageItems = 250;
const secretsMax = 10_000;
/** What Kubernetes allows as the name of a secret or a namespace; anything else does not exist. */
const legalName = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

interface StoredSecret {
  readonly metadata?: { readonly name?: string };
  readonly data?: Readonly<Record<string, string>> | null;
}

/** Secrets of a cluster, over its API. Nothing is kept: every question goes to the API, which must allow `get` (and `list`, for all of them). */
export async function openKubernetesSecrets(options: InferOutput<typeof config>, context: DriverContext): Promise<SecretStore> {
  const { ports, http } = context;
  const cluster = await findCluster(ports, options.kubeconfigPath).catch((cause: Error) => {
    throw new ProaError('component.init-failed', `secretstores.kubernetes: ${cause.message}`, { cause });
  });
  const get = async (path: string): Promise<unknown> => {
    const token = await cluster.token();
    const { status, data } = await fetchBytes({
      http,
      clock: ports.clock,
      url: `${cluster.url}/api/v1/namespaces/${path}`,
      headers: ['accept', 'application/json', ...(token === undefined ? [] : ['authorization', `Bearer ${token}`])],
      tls: cluster.tls,
      timeoutMs,
      bytesMax: answerBytesMax,
    });
    if (status === 404) return undefined;
    const document = parse(data);
    if (status === 200) return document;
    const said = (document as { message?: unknown } | undefined)?.message;
    const message = `the cluster answers with status ${status}: ${typeof said === 'string' ? said.slice(0, 300) : 'no reason given'}`;
    throw new ProaError(status >= 500 || status === 429 ? 'unavailable' : 'permission-denied', message);
  };
  const namespaceOf = (metadata: Metadata): string => {
    const namespace = metadata['namespace'] ?? options.defaultNamespace ?? cluster.namespace;
    if (legalName.test(namespace)) return namespace;
    throw new ProaError('bad-request', `"${namespace}" cannot be a namespace of Kubernetes`);
  };
  return {
    capabilities: ['MULTIPLE_KEY_VALUES_PER_SECRET'],
    async get(name, metadata) {
      if (!legalName.test(name)) return undefined;
      const found = (await get(`${namespaceOf(metadata)}/secrets/${name}`)) as StoredSecret | undefined;
      return found === undefined ? undefined : secretOf(found);
    },
    bulkGet: (metadata) => listAll(get, `${namespaceOf(metadata)}/secrets?limit=${pageItems}`),
    async ping() {
      await get(`${namespaceOf({})}/secrets?limit=1`);
    },
    close: async () => {},
  };
}

async function listAll(get: (path: string) => Promise<unknown>, path: string): Promise<Readonly<Record<string, Secret>>> {
  const found: [string, Secret][] = [];
  for (let next = ''; ;) {
    const page = (await get(next === '' ? path : `${path}&continue=${encodeURIComponent(next)}`)) as
      | { readonly items?: readonly StoredSecret[]; readonly metadata?: { readonly continue?: string } }
      | undefined;
    for (const item of page?.items ?? []) if (item.metadata?.name !== undefined) found.push([item.metadata.name, secretOf(item)]);
    if (found.length > secretsMax) throw new ProaError('overloaded', `the namespace holds more than ${secretsMax} secrets: ask for names`);
    next = page?.metadata?.continue ?? '';
    if (next === '') return Object.fromEntries(found);
  }
}

function secretOf({ data }: StoredSecret): Secret {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
}
