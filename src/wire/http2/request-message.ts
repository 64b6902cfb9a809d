import { faults, type Fault } from '../http1/fault.ts';
import { blankRequestHead, validHost, targetFault, methodFault, type RequestHead } from '../http1/request-head.ts';
import { Http1Request } from '../http1/request.ts';
import type { Http1ServerLimits } from '../http1/server-limits.ts';
import type { HeaderList } from './http2.ts';

/** The request that a header block of HTTP/2 makes (RFC 9113, section 8.3.1), judged by the rules of HTTP/1.1, or what is wrong with it. */
export function requestOf(list: HeaderList, remote: string, limits: Pick<Http1ServerLimits, 'requestLineBytesMax' | 'guardedNames'>) {
  const head = blankRequestHead();
  const headers: string[] = [];
  const cookies: string[] = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string;
    const value = list[i + 1] as string;
    if (name.charCodeAt(0) === 0x3a) notePseudo(head, name, value);
    else if (name === 'host') head.host ??= value;
    // Crumbs of one header (section 8.2.3).
    else if (name === 'cookie') cookies.push(value);
    else if (name.includes('_') && limits.guardedNames.has(name.replaceAll('_', '-'))) return faults.headerAlias;
    else if (name !== 'te') headers.push(name, value);
    if (name === 'content-length') head.contentLength = Number(value);
    else if (name === 'expect') head.expect = value.toLowerCase();
  }
  if (head.host !== undefined) headers.unshift('host', head.host);
  if (cookies.length > 0) headers.push('cookie', cookies.join('; '));
  head.headers = headers;
  head.version = 11;
  return faultOf(head, limits.requestLineBytesMax) ?? new Http1Request(head, remote);
}

function notePseudo(head: RequestHead, name: string, value: string): void {
  if (name === ':method') head.method = value;
  else if (name === ':authority') head.host = value;
  else if (name === ':path') {
    head.target = value;
    const question = value.indexOf('?');
    head.path = question === -1 ? value : value.slice(0, question);
    if (question !== -1) head.query = value.slice(question + 1);
  }
}

function faultOf(head: RequestHead, lineBytesMax: number): Fault | undefined {
  const method = methodFault(head.method);
  if (method !== undefined) return method;
  if (head.target.length > lineBytesMax) return faults.requestLineMax;
  if (head.host === undefined) return faults.hostMissing;
  if (!validHost(head.host)) return faults.host;
  if (head.expect !== undefined && head.expect !== '100-continue') return faults.expectation;
  return targetFault(head);
}
