import { isUtf8 } from 'node:buffer';
import type { InferOutput } from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchBytes } from '../../contracts/fetch-bytes.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import type { Metadata } from '../../contracts/state.ts';
import { BodyTooLarge } from '../../kernel/body.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import { findCluster } from './cluster-access.ts';
import type { config } from './config.ts';

const timeoutMs = 10_000;
const answerBytesMax = 32 * 1024 * 1024;
const pageItems = 250;
/** How often a list that the cluster forgot halfway is begun anew. */
const listsMax = 3;
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
  const get: Get = async (path) => {
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
    const text = Buffer.from(data).toString('utf8');
    const document = parse(text);
    if (status === 200) return { status, document };
    const { reason, message: said } = (document ?? {}) as { readonly reason?: unknown; readonly message?: unknown };
    // A 404 of anything else than the API of a cluster says nothing about secrets.
    if (status === 410 || (status === 404 && reason === 'NotFound')) return { status, document };
    const why = (typeof said === 'string' ? said : text.trim()).slice(0, 300);
    throw new ProaError(codeOf(status), `the cluster answers with status ${status}: ${why === '' ? 'no reason given' : why}`);
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
      const decode = decoderOf(metadata);
      const { status, document } = await get(`${namespaceOf(metadata)}/secrets/${name}`);
      return status === 200 ? secretOf(document as StoredSecret, decode) : undefined;
    },
    bulkGet: async (metadata) => listAll({ get, decode: decoderOf(metadata) }, `${namespaceOf(metadata)}/secrets`),
    async ping() {
      await get(`${namespaceOf({})}/secrets?limit=1`);
    },
    close: async () => {},
  };
}

type Get = (path: string) => Promise<{ readonly status: number; readonly document: unknown }>;

interface Page {
  readonly items?: readonly StoredSecret[];
  readonly metadata?: { readonly continue?: string };
}

interface Listing {
  readonly get: Get;
  readonly decode: Decode;
}

async function listAll(listing: Listing, path: string): Promise<Readonly<Record<string, Secret>>> {
  for (let tries = 1; ; tries++) {
    const found = await listOnce(listing, path);
    if (found !== undefined) return found;
    if (tries === listsMax) throw new ProaError('unavailable', `the cluster forgot ${listsMax} lists of secrets before they were read`);
  }
}

/** Undefined when the cluster does not know any more what the pages that are missing held (410): it keeps the past for some minutes. */
async function listOnce({ get, decode }: Listing, path: string): Promise<Readonly<Record<string, Secret>> | undefined> {
  const found: [string, Secret][] = [];
  let limit = pageItems;
  for (let next = ''; ;) {
    const page = await get(`${path}?limit=${limit}${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`).catch((error: Error) => {
      // A secret may be as large as 1 MiB: a page that is too large is asked for in smaller ones.
      if (error.cause instanceof BodyTooLarge && limit > 1) return undefined;
      throw error;
    });
    if (page === undefined) limit = Math.ceil(limit / 4);
    else if (page.status === 410) return undefined;
    else {
      const { items, metadata } = page.document as Page;
      for (const item of items ?? []) if (item.metadata?.name !== undefined) found.push([item.metadata.name, secretOf(item, decode)]);
      if (found.length > secretsMax)
        throw new ProaError('overloaded', `the namespace holds more than ${secretsMax} secrets: ask for names`);
      next = metadata?.continue ?? '';
      if (next === '') return Object.fromEntries(found);
    }
  }
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'permission-denied';
  return status === 429 || status >= 500 ? 'unavailable' : 'failed-precondition';
}

/** From base64, as the API has it, to what the app gets. */
type Decode = (base64: string) => string;

/** Secrets are texts in Dapr's API; bytes that are none stay as the cluster has them. Some bytes are a text by chance: who keeps bytes asks for all as base64. */
function decoderOf({ encoding }: Metadata): Decode {
  if (encoding === 'base64') return (base64) => base64;
  if (encoding !== undefined) throw new ProaError('bad-request', `the metadata encoding can be "base64", not "${encoding}"`);
  return (base64) => {
    const bytes = Buffer.from(base64, 'base64');
    return isUtf8(bytes) ? bytes.toString('utf8') : base64;
  };
}

function secretOf({ data }: StoredSecret, decode: Decode): Secret {
  return Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, decode(value)]));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
