import { ProaError } from '../../kernel/errors.ts';
import { canonicalMethod } from '../../kernel/method-path.ts';
import { unescapeQuery } from './query.ts';

/** Where an invocation goes: which app, and which of its methods (still percent-encoded). */
export interface InvokeTarget {
  readonly appId: string;
  readonly rawMethod: string;
}

const prefix = '/v1.0/invoke/';
const separator = '/method/';
const basic = /^basic /i;
const badEscape = /%(?![0-9A-Fa-f]{2})/;

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

/** True when a header of the request may name the app, so that its path alone does not say it. */
export function isNamedByHeader(request: { header(name: string): string | undefined }): boolean {
  if (request.header('dapr-app-id') !== undefined) return true;
  const authorization = request.header('authorization');
  return authorization !== undefined && basic.test(authorization);
}

/** The app and the canonical method of an invocation. */
export interface Reached {
  readonly appId: string;
  readonly path: string;
}

/** Where an invocation goes, or why it goes nowhere. */
export type Destination = Reached | { readonly refusal: () => ProaError };

/** Reads a path in which `//` was not folded yet. */
export function destinationOf(path: string, request: { header(name: string): string | undefined }): Destination {
  const target = invokeTarget(foldSlashes(path), request);
  if (target === undefined) return { refusal: noAppId };
  const { appId, rawMethod } = target;
  if (rawMethod.includes('%') && badEscape.test(rawMethod)) return { refusal: () => new ProaError('bad-request', 'invalid URL escape') };
  const method = canonicalMethod(rawMethod);
  if ('path' in method) return { appId, path: method.path };
  return { refusal: () => new ProaError('invoke.bad-method', `failed to invoke, id: ${appId}, err: ${method.error}`) };
}

/** Nothing says which app is called. */
export function noAppId(): ProaError {
  return new ProaError('invoke.no-app-id', 'failed getting app id either from the URL path or the header dapr-app-id', {
    hint: 'no API has this method and path; an app is called with /v1.0/invoke/<app id>/method/<path>',
  });
}

function foldSlashes(path: string): string {
  return path.includes('//') && !path.includes('://') ? path.replace(/\/{2,}/g, '/') : path;
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
  if (value === undefined || !basic.test(value)) return undefined;
  const decoded = Buffer.from(value.slice(6), 'base64').toString('utf8');
  const [user, appId] = decoded.split(':', 2);
  return user === 'dapr-app-id' && appId !== undefined && appId !== '' ? appId : undefined;
}
