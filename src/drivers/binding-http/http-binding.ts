import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import { BindingError, type BindingResponse } from '../../contracts/binding.ts';
import type { DriverContext, DriverKinds } from '../../contracts/driver.ts';
import { fetchBytes, httpTarget, type ClientTls, type Fetched } from '../../contracts/fetch-bytes.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { config } from './config.ts';
import { statusText } from './reason-phrases.ts';
import { canonicalName, requestHeaders } from './request-headers.ts';

type Options = InferOutput<typeof config>;

const operations = ['create', 'get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'trace'];
const withBody = new Set(['POST', 'PUT', 'PATCH']);
const unlimitedBytes = 1024 ** 3;
const truthy = new Set(['true', 'yes', 'on', '1', 'y', 't']);

/**
 * Requests to one server. The component's URL is all that its callers can reach: a path that leads elsewhere is refused, and redirects are answers, not
 * instructions (Dapr follows them).
 */
export async function openHttpBinding(options: Options, context: DriverContext): Promise<DriverKinds['bindings']> {
  let tls: ClientTls;
  try {
    httpTarget(options.url);
    tls = await clientTls(options, context);
  } catch (cause) {
    throw new ProaError('component.init-failed', `binding ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const { securityToken, securityTokenHeader, responseTimeout } = options;
  const security =
    securityToken === undefined || securityTokenHeader === undefined || securityTokenHeader === ''
      ? undefined
      : { name: securityTokenHeader, value: securityToken };
  return {
    output: {
      operations,
      async invoke({ operation, data, metadata }, cancel) {
        if (!operations.includes(operation)) throw new Error(`invalid operation: ${operation}`);
        const method = operation === 'create' ? 'POST' : operation.toUpperCase();
        const hasBody = withBody.has(method);
        const fetched = await fetchBytes({
          http: context.http,
          clock: context.ports.clock,
          method,
          url: urlWithPath(options.url, metadata['path'] ?? ''),
          headers: requestHeaders({ metadata, hasBody, ...(security !== undefined && { security }) }),
          ...(hasBody && { body: data }),
          tls,
          cancel,
          ...(responseTimeout !== undefined && responseTimeout > 0 && { timeoutMs: responseTimeout }),
          bytesMax: options.maxResponseBodySize === 0 ? unlimitedBytes : options.maxResponseBodySize,
        });
        return answerOf(fetched, failsUnless2xx(options, metadata));
      },
    },
    close: async () => {},
  };
}

/** The component's URL with the request's path behind it; fails when the result is not below the URL. */
function urlWithPath(base: string, path: string): string {
  if (path === '') return base;
  const joined = `${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
  const [wanted, given] = [new URL(base), new URL(joined)];
  const root = wanted.pathname.replace(/\/+$/, '');
  const inside = given.pathname === root || given.pathname.startsWith(`${root}/`);
  if (given.origin !== wanted.origin || !inside) throw new Error(`the path ${JSON.stringify(path)} leads out of the component's URL`);
  return given.href;
}

// What was true of the bytes on their way, and is not of the data.
const framing = new Set(['transfer-encoding', 'trailer']);

function failsUnless2xx(options: Options, metadata: Metadata): boolean {
  const asked = metadata['errorIfNot2XX'] ?? '';
  return asked === '' ? options.errorIfNot2XX : truthy.has(asked.toLowerCase());
}

function answerOf({ status, headers, data }: Fetched, failUnless2xx: boolean): BindingResponse {
  const metadata: Record<string, string> = { statusCode: String(status), status: statusText(status) };
  for (let i = 0; i < headers.length; i += 2) {
    if (framing.has(headers[i] as string)) continue;
    const name = canonicalName(headers[i] as string);
    const value = headers[i + 1] as string;
    metadata[name] = metadata[name] === undefined ? value : `${metadata[name]}, ${value}`;
  }
  if (failUnless2xx && (status < 200 || status > 299)) throw new BindingError(`received status code ${status}`, metadata);
  const contentType = metadata['Content-Type'];
  return { data, metadata, ...(contentType !== undefined && { contentType }) };
}

async function clientTls(options: Options, context: DriverContext): Promise<ClientTls> {
  const { MTLSRootCA, MTLSClientCert, MTLSClientKey } = options;
  const rootCa = await pemOf('MTLSRootCA', MTLSRootCA, context);
  const certificate = await pemOf('MTLSClientCert', MTLSClientCert, context);
  const privateKey = await pemOf('MTLSClientKey', MTLSClientKey, context);
  if ((certificate === undefined) !== (privateKey === undefined)) throw new Error('MTLSClientCert and MTLSClientKey need each other');
  return {
    ...(rootCa !== undefined && { rootCa }),
    ...(certificate !== undefined && { certificate }),
    ...(privateKey !== undefined && { privateKey }),
  };
}

async function pemOf(name: string, value: string | undefined, context: DriverContext): Promise<string | undefined> {
  if (value === undefined || value === '') return undefined;
  if (value.includes('-----BEGIN ')) return value;
  // Not quoted: it may be a key that was mangled on its way.
  const bytes = await context.ports.disk.readFile(value).catch((cause: unknown) => {
    throw new Error(`${name} is neither PEM nor the path of a file that can be read`, { cause });
  });
  const text = Buffer.from(bytes).toString('latin1');
  if (!text.includes('-----BEGIN ')) throw new Error(`the file of ${name} holds no PEM`);
  return text;
}
