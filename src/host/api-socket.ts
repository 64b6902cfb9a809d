import type { AppSpec } from './host-api.ts';

/** The socket of an API of an app (daprd's name for it); undefined: it has a port. */
export function apiSocket(
  { id, unixSocketDirectory }: Pick<AppSpec, 'id' | 'unixSocketDirectory'>,
  protocol: 'http' | 'grpc',
): string | undefined {
  return unixSocketDirectory === undefined ? undefined : `${unixSocketDirectory}/dapr-${id}-${protocol}.socket`;
}
