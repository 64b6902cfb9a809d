import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { parse } from 'yaml';
import type { ClientTls } from '../../contracts/fetch-bytes.ts';
import type { Ports } from '../../kernel/ports.ts';

/** How to reach a cluster's API, and as whom. */
export interface ClusterAccess {
  readonly url: string;
  readonly tls: ClientTls;
  readonly namespace: string;
  /** Undefined where a client certificate says who we are. Read anew every time: tokens of pods are renewed. */
  token(): Promise<string | undefined>;
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Of the kubeconfig that is named (by `path`, else by the environment), else of the pod that this process runs in. Fails with an Error that says what is missing. */
export function findCluster(ports: Pick<Ports, 'disk' | 'process'>, path: string | undefined): Promise<ClusterAccess> {
  const file = path ?? ports.process.env('KUBECONFIG');
  const host = ports.process.env('KUBERNETES_SERVICE_HOST');
  if (path === undefined && host !== undefined) return podAccess(ports, host);
  if (file !== undefined && file !== '') return fileAccess(ports, file);
  return Promise.reject(new Error('this is no pod of a cluster, and neither `kubeconfigPath` nor KUBECONFIG names a file'));
}

async function podAccess(ports: Pick<Ports, 'disk' | 'process'>, host: string): Promise<ClusterAccess> {
  const read = async (name: string): Promise<string> => textOf(await ports.disk.readFile(`${account}/${name}`));
  const port = ports.process.env('KUBERNETES_SERVICE_PORT') ?? '443';
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tls: { rootCa: await read('ca.crt') },
    namespace: ports.process.env('NAMESPACE') ?? (await read('namespace')).trim(),
    token: async () => (await read('token')).trim(),
  };
}

const named = <Schema extends v.GenericSchema>(name: string, schema: Schema) =>
  v.array(v.looseObject({ name: v.string(), [name]: schema }));
const kubeconfig = v.looseObject({
  'current-context': v.string(),
  contexts: named('context', v.looseObject({ cluster: v.string(), user: v.optional(v.string()), namespace: v.optional(v.string()) })),
  clusters: named(
    'cluster',
    v.looseObject({
      server: v.string(),
      'certificate-authority': v.optional(v.string()),
      'certificate-authority-data': v.optional(v.string()),
      'insecure-skip-tls-verify': v.optional(v.boolean()),
      'tls-server-name': v.optional(v.string()),
    }),
  ),
  // kubectl writes null where there are none.
  users: v.nullish(
    named(
      'user',
      v.looseObject({
        token: v.optional(v.string()),
        tokenFile: v.optional(v.string()),
        'client-certificate': v.optional(v.string()),
        'client-certificate-data': v.optional(v.string()),
        'client-key': v.optional(v.string()),
        'client-key-data': v.optional(v.string()),
      }),
    ),
    [],
  ),
});

async function fileAccess({ disk, process }: Pick<Ports, 'disk' | 'process'>, path: string): Promise<ClusterAccess> {
  const file = resolve(process.cwd(), path);
  const parsed = v.safeParse(kubeconfig, parse(textOf(await disk.readFile(file))));
  if (!parsed.success) throw new Error(`${file} is no kubeconfig: ${v.getDotPath(parsed.issues[0]) ?? ''} ${parsed.issues[0].message}`);
  const { 'current-context': current, contexts, clusters, users } = parsed.output;
  const pick = (list: readonly object[], name: string, kind: string): Record<string, string | boolean | undefined> => {
    const found = (list as readonly Record<string, unknown>[]).find((one) => one['name'] === name);
    if (found?.[kind] === undefined) throw new Error(`${file} has no ${kind} "${name}"`);
    return found[kind] as Record<string, string | boolean | undefined>;
  };
  const context = pick(contexts, current, 'context');
  const cluster = pick(clusters, context['cluster'] as string, 'cluster');
  // Behind `kubectl proxy` nobody needs to be known.
  const user = context['user'] === undefined || context['user'] === '' ? {} : pick(users, context['user'] as string, 'user');
  for (const way of ['exec', 'auth-provider', 'username', 'as'])
    if (user[way] !== undefined)
      throw new Error(`${file}: users that are known by ${way} are not supported; use a token or a client certificate`);
  if (cluster['proxy-url'] !== undefined) throw new Error(`${file}: a cluster behind a proxy-url is not supported`);
  const near = (name: string): string => resolve(dirname(file), name);
  const pem = async (of: typeof user, name: string): Promise<string | undefined> => {
    const [data, where] = [of[`${name}-data`], of[name]];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    return typeof where === 'string' ? textOf(await disk.readFile(near(where))) : undefined;
  };
  const [rootCa, certificate, privateKey] = [
    await pem(cluster, 'certificate-authority'),
    await pem(user, 'client-certificate'),
    await pem(user, 'client-key'),
  ];
  const { token, tokenFile } = user;
  return {
    url: (cluster['server'] as string).replace(/\/+$/, ''),
    tls: {
      ...(rootCa !== undefined && { rootCa }),
      ...(certificate !== undefined && { certificate }),
      ...(privateKey !== undefined && { privateKey }),
      ...(cluster['insecure-skip-tls-verify'] === true && { insecure: true }),
      ...(typeof cluster['tls-server-name'] === 'string' &&
        cluster['tls-server-name'] !== '' && { serverName: cluster['tls-server-name'] }),
    },
    namespace: (context['namespace'] as string | undefined) ?? 'default',
    token: async () =>
      typeof tokenFile === 'string' ? textOf(await disk.readFile(near(tokenFile))).trim() : (token as string | undefined),
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
