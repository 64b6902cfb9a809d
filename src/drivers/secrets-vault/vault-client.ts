import { join } from 'node:path';
import type { InferOutput } from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchBytes, type ClientTls, type Fetched } from '../../contracts/fetch-bytes.ts';
import type { ErrorCode } from '../../kernel/catalogue.ts';
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
  const { vaultToken, vaultTokenMountPath } = options;
  if ((vaultToken === undefined) === (vaultTokenMountPath === undefined))
    throw new Error('one of `vaultToken` and `vaultTokenMountPath` must be given, and not both');
  const tls = await tlsOf(options, ports.disk);
  const base = `${options.vaultAddr.replace(/\/+$/, '')}/v1/${encodePath(options.enginePath)}`;
  const readToken = async (): Promise<string> =>
    vaultToken ??
    Buffer.from(await ports.disk.readFile(vaultTokenMountPath as string))
      .toString('utf8')
      .trim();
  let token = await readToken();
  const call = (url: string): Promise<Fetched> =>
    fetchBytes({
      http,
      clock: ports.clock,
      url,
      headers: ['x-vault-token', token, 'x-vault-request', 'true', 'accept', 'application/json'],
      tls,
      timeoutMs,
      bytesMax: answerBytesMax,
    });
  // A standby that cannot forward to the active node says where it is. Once is enough, as for Vault's own client.
  const ask = async (url: string): Promise<Fetched> => {
    const answer = await call(url);
    return answer.status === 307 ? call(activeNode(answer, url)) : answer;
  };
  return {
    async get(path, query) {
      const url = `${base}/${path}${query}`;
      let answer = await ask(url);
      if (answer.status === 403 && vaultTokenMountPath !== undefined) {
        // An agent renews the file when the token ends.
        token = await readToken();
        answer = await ask(url);
      }
      const text = Buffer.from(answer.data).toString('utf8');
      const document = parse(text);
      if (answer.status === 200) return document;
      const said = (document as { errors?: unknown } | undefined)?.errors;
      const reasons = Array.isArray(said) ? said.map(String) : undefined;
      // What does not exist is a 404 without a reason. With one, nothing can exist there: no engine is mounted at this path.
      if (answer.status === 404 && (reasons === undefined ? isGone(document) : reasons.length === 0)) return undefined;
      // Vault's own reasons may have several lines.
      const reason = (reasons?.join('; ') ?? text).replaceAll(/\s+/g, ' ').trim().slice(0, 300);
      const message = `Vault answers with status ${answer.status}: ${reason === '' ? 'no reason given' : reason}`;
      throw new ProaError(codeOf(answer.status, reasons !== undefined), message);
    },
  };
}

/** Of a version that was deleted or destroyed, Vault says with a 404 when that was. */
function isGone(document: unknown): boolean {
  return (document as { data?: { metadata?: unknown } } | undefined)?.data?.metadata !== undefined;
}

/** `isVault`: not a server in its place, for which nobody's request is to blame. */
function codeOf(status: number, isVault: boolean): ErrorCode {
  if (status === 401 || status === 403) return 'permission-denied';
  if (status === 400 && isVault) return 'bad-request';
  // 307: a standby named another standby. 412: a node that has not seen yet what another one did.
  return status === 307 || status === 412 || status === 429 || status >= 500 ? 'unavailable' : 'failed-precondition';
}

function activeNode({ headers }: Fetched, from: string): string {
  const at = headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === 'location');
  const to = at < 0 ? undefined : headers[at + 1];
  if (to === undefined || !URL.canParse(to, from))
    throw new ProaError('unavailable', 'Vault answers with status 307 and names no other node');
  const { href, protocol } = new URL(to, from);
  // The token goes along.
  if (from.startsWith('https:') && protocol !== 'https:')
    throw new ProaError('unavailable', 'a standby of Vault names an active node without TLS: it is not asked');
  return href;
}

/** A path of names; slashes stay. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map(encodeURIComponent)
    .join('/');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function tlsOf({ caPem, caCert, caPath, skipVerify, tlsServerName }: VaultOptions, disk: Disk): Promise<ClientTls> {
  const read = async (path: string): Promise<string> => Buffer.from(await disk.readFile(path)).toString('utf8');
  const folder = async (path: string): Promise<string> =>
    (await Promise.all((await disk.list(path)).toSorted().map((name) => read(join(path, name))))).join('\n');
  const rootCa = caPem ?? (caPath !== undefined ? await folder(caPath) : caCert !== undefined ? await read(caCert) : undefined);
  return {
    ...(rootCa !== undefined && { rootCa }),
    ...(skipVerify && { insecure: true }),
    ...(tlsServerName !== undefined && { serverName: tlsServerName }),
  };
}
