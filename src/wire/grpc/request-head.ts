import { TextMemo } from '../../kernel/text-memo.ts';
import type { HeaderList } from '../http2/http2.ts';
import { perList } from '../http2/stable-headers.ts';
import { headerValue } from './metadata.ts';

/** What the headers of a request say to whoever serves it or passes it on. */
export interface RequestHead {
  /** As HTTP's: gRPC has no other than POST. */
  readonly method: string | undefined;
  /** `/package.Service/Method`; requests for the same have the same text. Empty without one. */
  readonly path: string;
  /** The path without its slash. */
  readonly name: string;
  /** Empty without one. */
  readonly contentType: string;
  /** The content type is one of gRPC's. */
  readonly grpc: boolean;
  /** `grpc-encoding` */
  readonly encoding: string;
  /** `grpc-timeout`, as it came. */
  readonly timeout: string | undefined;
  /** Empty without one. */
  readonly userAgent: string;
}

interface Named {
  readonly path: string;
  readonly name: string;
}

const paths = new TextMemo<Named>((path) => ({ path, name: path.slice(1) }));
const noPath: Named = { path: '', name: '' };

/** Reads the headers of a request, once while they repeat. */
export const requestHead = perList((headers: HeaderList): RequestHead => {
  const given = headerValue(headers, ':path');
  const { path, name } = given === undefined ? noPath : paths.of(given);
  const contentType = headerValue(headers, 'content-type') ?? '';
  return {
    method: headerValue(headers, ':method'),
    path,
    name,
    contentType,
    grpc: /^application\/grpc(?:[+;]|$)/.test(contentType),
    encoding: headerValue(headers, 'grpc-encoding') ?? 'identity',
    timeout: headerValue(headers, 'grpc-timeout'),
    userAgent: headerValue(headers, 'user-agent') ?? '',
  };
});
