import { faults, type Fault } from '../http1/fault.ts';
import { validHost, targetFault, methodFault } from '../http1/request-head.ts';
import { Http1Request } from '../http1/request.ts';
import type { Http1ServerLimits } from '../http1/server-limits.ts';
import type { HeaderList } from './http2.ts';

/** The request that a header block of HTTP/2 makes (RFC 9113, section 8.3.1), judged by the rules of HTTP/1.1, or what is wrong with it. */
export function requestOf(list: HeaderList, remote: string, limits: Pick<Http1ServerLimits, 'requestLineBytesMax' | 'guardedNames'>) {
  const request = new Http1Request(remote);
  const headers: string[] = [];
  const cookies: string[] = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    const value = list[i + 1] as string;
    if (name.charCodeAt(0) === 0x3a) notePseudo(request, name, value);
    else if (name === 'host') request.host ??= value;
    // Crumbs of one header (section 8.2.3).
    else if (name === 'cookie') cookies.push(value);
    else if (name.includes('_') && limits.guardedNames.has(name.replaceAll('_', '-'))) return faults.headerAlias;
    else if (name !== 'te') headers.push(name, value);
    if (name === 'content-length') request.contentLength = Number(value);
    else if (name === 'expect') request.expect = value.toLowerCase();
  }
  if (request.host !== undefined) headers.unshift('host', request.host);
  if (cookies.length > 0) headers.push('cookie', cookies.join('; '));
  request.headers = headers;
  request.version = 11;
  return faultOf(request, limits.requestLineBytesMax) ?? request;
}

function notePseudo(request: Http1Request, name: string, value: string): void {
  if (name === ':method') request.method = value;
  else if (name === ':authority') request.host = value;
  else if (name === ':path') {
    request.target = value;
    const question = value.indexOf('?');
    request.path = question === -1 ? value : value.slice(0, question);
    if (question !== -1) request.query = value.slice(question + 1);
  }
}

function faultOf(request: Http1Request, lineBytesMax: number): Fault | undefined {
  const method = methodFault(request.method);
  if (method !== undefined) return method;
  if (request.target.length > lineBytesMax) return faults.requestLineMax;
  if (request.host === undefined) return faults.hostMissing;
  if (!validHost(request.host)) return faults.host;
  if (request.expect !== undefined && request.expect !== '100-continue') return faults.expectation;
  return targetFault(request);
}
