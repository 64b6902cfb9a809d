import * as v from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { httpTarget } from '../../contracts/fetch-bytes.ts';
import { ProaError } from '../../kernel/errors.ts';
import { flag, secretText, text } from '../../kernel/schema.ts';
import { etcdUrls } from './encoding.ts';
import { createEtcdClient, type EtcdClient } from './etcd-client.ts';

/** Properties that all etcd components share, with Dapr's names where it has them. */
export const etcdProperties = {
  /** Members, separated by commas: `host:port` or URLs; one is used until it fails. */
  endpoints: v.pipe(text(), v.nonEmpty('must name a member such as localhost:2379')),
  /** Keys begin with it and a slash. */
  keyPrefixPath: v.optional(text(), ''),
  tlsEnable: v.optional(flag(), 'false'),
  /** With TLS: PEM of the authority that signed the members' certificates; absent: the system's. */
  ca: v.exactOptional(text()),
  /** With TLS: PEM of the client's certificate. */
  cert: v.exactOptional(text()),
  /** PEM of its key. */
  key: v.exactOptional(secretText()),
  /** User of etcd's own authentication; with `password`. */
  username: v.exactOptional(text()),
  password: v.exactOptional(secretText()),
};

const schema = v.strictObject(etcdProperties);

/** What the shared properties come out as. */
export type EtcdProperties = v.InferOutput<typeof schema>;

/** The client of a component. Asks etcd something; fails with `component.init-failed` when it does not answer, or refuses. */
export async function openComponentEtcd(properties: EtcdProperties, context: DriverContext, what: string): Promise<EtcdClient> {
  const { tlsEnable, ca, cert, key, username, password } = properties;
  const wrong = (message: string, cause?: unknown) => new ProaError('component.init-failed', `${what}: ${message}`, { cause });
  const scheme = tlsEnable ? 'https' : 'http';
  const urls = etcdUrls(properties.endpoints).map((place) => (/^https?:\/\//.test(place) ? place : `${scheme}://${place}`));
  if (urls.length === 0) throw wrong('`endpoints` names no member');
  if ((cert === undefined) !== (key === undefined)) throw wrong('`cert` and `key` need each other');
  if ((username === undefined) !== (password === undefined)) throw wrong('`username` and `password` need each other');
  try {
    for (const url of urls) httpTarget(url);
    const client = createEtcdClient({
      urls,
      tls: {
        ...(ca !== undefined && { rootCa: ca }),
        ...(cert !== undefined && { certificate: cert }),
        ...(key !== undefined && { privateKey: key }),
      },
      ...(username !== undefined && password !== undefined && { user: { name: username, password } }),
      context,
    });
    await client.call('kv/range', { key: Buffer.from(`${properties.keyPrefixPath}/`).toString('base64'), limit: 1, keys_only: true });
    return client;
  } catch (error) {
    throw wrong(reasonOf(error as Error), error);
  }
}

/** With what is behind it: a certificate that is not trusted is why there is no connection. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error && !message.includes(cause.message) ? `${message}: ${cause.message}` : message;
}
