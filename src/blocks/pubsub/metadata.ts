import type { Metadata } from '../../contracts/state.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { deserializeError } from './errors.ts';

/** A value of request metadata by name, without regard to case; undefined when absent or empty. */
export function metadataValue(metadata: Metadata, name: string): string | undefined {
  let wanted: string | undefined;
  for (const key in metadata) {
    wanted ??= name.toLowerCase();
    if (key.length === wanted.length && key.toLowerCase() === wanted && metadata[key] !== '') return metadata[key];
  }
  return undefined;
}

const yes = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const no = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False', '']);

/** The flag `rawPayload` (its name is matched exactly, as in Dapr); undefined when its value is no boolean of Go's. */
export function rawPayload(metadata: Metadata): boolean | undefined {
  const value = metadata['rawPayload'];
  if (value === undefined || no.has(value)) return false;
  return yes.has(value) ? true : undefined;
}

/** The flag `rawPayload`; fails with `pubsub.request-metadata` when its value is no boolean. */
export function requireRawPayload(pubsub: string, metadata: Metadata): boolean {
  const raw = rawPayload(metadata);
  if (raw !== undefined) return raw;
  throw deserializeError(pubsub, metadata, `rawPayload value must be a valid boolean: actual is '${metadata['rawPayload']}'`);
}

/** Milliseconds of `ttl` or `ttlInSeconds` (a Go duration or whole seconds above 0); undefined when absent or, as in Dapr, not understood. */
export function ttlMs(metadata: Metadata): number | undefined {
  const text = metadataValue(metadata, 'ttl') ?? metadataValue(metadata, 'ttlInSeconds');
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  return ms === undefined || ms <= 0 ? undefined : ms;
}

/** A clock's instants as Dapr writes them; events of one second share one text. */
export function createSecondStamp(): (nowMs: number) => string {
  let second = Number.NaN;
  let text = '';
  return (nowMs) => {
    const now = Math.floor(nowMs / 1000);
    if (now !== second) {
      second = now;
      text = rfc3339(nowMs);
    }
    return text;
  };
}

/** Instants as Dapr writes them: RFC 3339 in whole seconds, UTC. */
export function rfc3339(nowMs: number): string {
  return `${new Date(Math.floor(nowMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}
