import type { ClientTls } from '../../contracts/fetch-bytes.ts';
import type { Ports } from '../../kernel/ports.ts';
import { type KubeconfigEntry, readKubeconfig, textOf } from './kubeconfig.ts';

/** How to reach a cluster's API, and as whom. */
export interface ClusterAccess {
  readonly url: string;
  readonly tls: ClientTls;
  readonly namespace: string;
  /** Undefined where a client certificate says who we are. Read anew every time: tokens of pods are renewed. */
  token(): Promise<string | undefined>;
}

const account = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Of the kubeconfig at `path`, else of the pod that this process runs in, else of the files that KUBECONFIG lists. Fails with an Error that says what is missing. */
export function findCluster(ports: Pick<Ports, 'disk' | 'process'>, path: string | undefined): Promise<ClusterAccess> {
  const host = ports.process.env('KUBERNETES_SERVICE_HOST');
  const list = ports.process.env('KUBECONFIG');
  if (path !== undefined) return fileAccess(ports, { path });
  if (host !== undefined) return podAccess(ports, host);
  if (list !== undefined && list !== '') return fileAccess(ports, { list });
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

async function fileAccess(ports: Pick<Ports, 'disk' | 'process'>, given: Parameters<typeof readKubeconfig>[1]): Promise<ClusterAccess> {
  const { disk } = ports;
  const config = await readKubeconfig(ports, given);
  const { fields: context } = config.context(config.currentContext);
  const cluster = config.cluster(context.cluster);
  // Behind `kubectl proxy` nobody needs to be known.
  const user = context.user === undefined || context.user === '' ? undefined : config.user(context.user);
  for (const way of ['exec', 'auth-provider', 'username', 'as'])
    if (user?.fields[way] !== undefined)
      throw new Error(`${user.file}: users that are known by ${way} are not supported; use a token or a client certificate`);
  if (cluster.fields['proxy-url'] !== undefined) throw new Error(`${cluster.file}: a cluster behind a proxy-url is not supported`);
  const pem = async (of: KubeconfigEntry<Readonly<Record<string, unknown>>> | undefined, name: string): Promise<string | undefined> => {
    const [data, where] = [of?.fields[`${name}-data`], of?.fields[name]];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    return of !== undefined && typeof where === 'string' ? textOf(await disk.readFile(of.near(where))) : undefined;
  };
  const [rootCa, certificate, privateKey] = [
    await pem(cluster, 'certificate-authority'),
    await pem(user, 'client-certificate'),
    await pem(user, 'client-key'),
  ];
  const { server, 'tls-server-name': serverName = '', 'insecure-skip-tls-verify': insecure } = cluster.fields;
  return {
    url: server.replace(/\/+$/, ''),
    tls: {
      ...(rootCa !== undefined && { rootCa }),
      ...(certificate !== undefined && { certificate }),
      ...(privateKey !== undefined && { privateKey }),
      ...(insecure === true && { insecure: true }),
      ...(serverName !== '' && { serverName }),
    },
    namespace: context.namespace ?? 'default',
    token: async () => {
      const tokenFile = user?.fields.tokenFile;
      return user === undefined || tokenFile === undefined ? user?.fields.token : textOf(await disk.readFile(user.near(tokenFile))).trim();
    },
  };
}
