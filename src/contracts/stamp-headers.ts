import type { Caller } from '../kernel/call.ts';
import { formatTimeout, timeoutHeader } from '../kernel/timeout-header.ts';

/** What stands in the headers of every call that leaves: who calls whom. Whatever the caller wrote under these names is removed first (Dapr reference 6.1). */
export interface Stamp {
  readonly caller: Caller;
  readonly calleeAppId: string;
  /** Milliseconds left until the caller's deadline; undefined: it has none. */
  readonly leftMs: number | undefined;
  /** `X-Forwarded-*` and `Forwarded` are added when the call leaves this app; undefined when it does not. */
  readonly forwarded: { readonly address: string; readonly host: string } | undefined;
}

// By length first: almost every header fails this one comparison.
function isStamped(name: string): boolean {
  switch (name.length) {
    case 4:
      return name === 'host';
    case 6:
      return name === 'expect';
    case 18:
      return name === 'dapr-caller-app-id' || name === 'dapr-callee-app-id' || name === 'destination-app-id';
    case 21:
      return name === 'dapr-caller-namespace';
    case 11:
      return name === 'dapr-app-id' || name === 'traceparent';
    case 10:
      return name === 'tracestate';
    case 12:
      return name === timeoutHeader;
    case 14:
      return name === 'dapr-api-token';
    default:
      return false;
  }
}

/**
 * The caller's headers without what only the runtime may say, followed by what it says. The trace is not among them: it is in the call's context, and whoever
 * writes the call adds it, so that calls which differ in nothing else have the same headers.
 */
export function stampHeaders(headers: readonly string[], stamp: Stamp): string[] {
  const stamped: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!isStamped(name)) stamped.push(name, headers[i + 1] as string);
  }
  stamped.push(
    'dapr-caller-app-id',
    stamp.caller.appId,
    'dapr-caller-namespace',
    stamp.caller.namespace,
    'dapr-callee-app-id',
    stamp.calleeAppId,
  );
  if (stamp.leftMs !== undefined) stamped.push(timeoutHeader, formatTimeout(stamp.leftMs));
  if (stamp.forwarded !== undefined) {
    const { address, host } = stamp.forwarded;
    const quoted = address.includes(':') ? `"[${address}]"` : address;
    stamped.push('x-forwarded-for', address, 'x-forwarded-host', host, 'forwarded', `for=${quoted};by=${quoted};host=${host}`);
  }
  return stamped;
}
