import { unescapeQuery } from './query.ts';

/** Where an invocation goes: which app, and which of its methods (still percent-encoded). */
export interface InvokeTarget {
  readonly appId: string;
  readonly rawMethod: string;
}

const prefix = '/v1.0/invoke/';
const separator = '/method/';

/**
 * The target of a request that no row takes, in this order: header `dapr-app-id`, basic authorization with the user `dapr-app-id`, the URL
 * (Dapr reference 3). An app id that is a URL may be percent-encoded or not. Undefined when nothing names an app.
 */
export function invokeTarget(path: string, request: { header(name: string): string | undefined }): InvokeTarget | undefined {
  const named = request.header('dapr-app-id');
  if (named !== undefined && named !== '') return { appId: named, rawMethod: stripInvokePrefix(path) };
  const authorized = appIdOfAuthorization(request.header('authorization'));
  if (authorized !== undefined) return { appId: authorized, rawMethod: stripInvokePrefix(path) };
  return targetOfPath(path);
}

/** True when a header of the request names the app, so that its path does not. */
export function isNamedByHeader(request: { header(name: string): string | undefined }): boolean {
  return request.header('dapr-app-id') !== undefined || request.header('authorization') !== undefined;
}

function targetOfPath(path: string): InvokeTarget | undefined {
  if (!path.startsWith(prefix)) return undefined;
  const at = path.indexOf(separator, prefix.length);
  if (at <= prefix.length) return undefined;
  const appId = unescapeQuery(path.slice(prefix.length, at));
  // Path cleaning may have folded the two slashes of a URL that was not encoded.
  return {
    appId: appId.startsWith('http') ? appId.replace(/^(https?):\/+/, '$1://') : appId,
    rawMethod: path.slice(at + separator.length),
  };
}

function stripInvokePrefix(path: string): string {
  const target = targetOfPath(path);
  return target === undefined ? path.slice(1) : target.rawMethod;
}

function appIdOfAuthorization(value: string | undefined): string | undefined {
  if (value === undefined || !/^basic /i.test(value)) return undefined;
  const decoded = Buffer.from(value.slice(6), 'base64').toString('utf8');
  const [user, appId] = decoded.split(':', 2);
  return user === 'dapr-app-id' && appId !== undefined && appId !== '' ? appId : undefined;
}
