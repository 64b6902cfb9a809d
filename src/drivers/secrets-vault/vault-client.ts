import { join } from 'node:path';
import type { InferOutput } from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchBytes, type ClientTls } from '../../contracts/fetch-bytes.ts';
import type { HttpClient } from '../../contracts/http-client.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { config } from './config.ts';

/** What `config` comes out as. */
export type VaultOptions = InferOutput<typeof config>;

/** Asks Vault's HTTP API. */
export interface VaultClient {
  /** The document at a path below the engine (`data/...`, `metadata/...`); undefined when there is none. Fails with what Vault said. */
  get(path: string, query: string): Promise<unknown>;
}

const timeoutMs = 10_000;
const answerBytesMax = 8 * 1024 * 1024;

/** Reads what stands in files. Fails with Errors that name them. */
export async function createVaultClient(options: VaultOptions, { ports, http }: DriverContext): Promise<VaultClient> {
  const { vaultToken, vaultTokenMountPath, tlsServerName } = options;
  if ((vaultToken === undefined) === (vaultTokenMountPath === undefined))
    throw new Error('one of `vaultToken` and `vaultTokenMountPath` must be given, and not both');
  const tls = await tlsOf(options, ports.disk);
  const named = tlsServerName === undefined ? http : withServerName(http, tlsServerName);
  const base = `${options.vaultAddr.replace(/\/+$/, '')}/v1/${encodePath(options.enginePath)}`;
  const readToken = async (): Promise<string> =>
    vaultToken ??
    Buffer.from(await ports.disk.readFile(vaultTokenMountPath as string))
      .toString('utf8')
      .trim();
  let token = await readToken();
  const ask = (url: string) =>
    fetchBytes({
      http: named,
      clock: ports.clock,
      url,
      headers: ['x-vault-token', token, 'x-vault-request', 'true', 'accept', 'application/json'],
      tls,
      timeoutMs,
      bytesMax: answerBytesMax,
    });
  return {
    async get(path, query) {
      const url = `${base}/${path}${query}`;
      let answer = await ask(url);
      if (answer.status === 403 && vaultTokenMountPath !== undefined) {
        // An agent renews the file when the token ends.
        token = await readToken();
        answer = await ask(url);
      }
      const document = parse(answer.data);
      if (answer.status === 404) return undefined;
      if (answer.status === 200) return document;
      const said = (document as { errors?: unknown } | undefined)?.errors;
      const reason = Array.isArray(said) && said.length > 0 ? said.map(String).join('; ').slice(0, 300) : 'no reason given';
      throw new ProaError(
        answer.status >= 500 || answer.status === 429 ? 'unavailable' : 'permission-denied',
        `Vault answers with status ${answer.status}: ${reason}`,
      );
    },
  };
}

/** A path of names; slashes stay. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(encodeURIComponent)
    .join('/');
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
}

async function tlsOf({ caPem, caCert, caPath, skipVerify }: VaultOptions, disk: Disk): Promise<ClientTls> {
  const read = async (path: string): Promise<string> => Buffer.from(await disk.readFile(path)).toString('utf8');
  const folder = async (path: string): Promise<string> =>
    (await Promise.all((await disk.list(path)).toSorted().map((name) => read(join(path, name))))).join('\n');
  const rootCa = caPem ?? (caPath !== undefined ? await folder(caPath) : caCert !== undefined ? await read(caCert) : undefined);
  return { ...(rootCa !== undefined && { rootCa }), ...(skipVerify && { insecure: true }) };
}

function withServerName(http: HttpClient, serverName: string): HttpClient {
  return {
    request: (request) => http.request(request.tls === undefined ? request : { ...request, tls: { ...request.tls, serverName } }),
    close: () => http.close(),
  };
}
