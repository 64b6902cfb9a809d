import type { Body } from '../../kernel/body.ts';

/** An answer of the HTTP API before it is written. */
export interface Reply {
  readonly status: number;
  /** Flat name, value pairs. */
  readonly headers: readonly string[];
  readonly body?: string | Uint8Array;
  readonly stream?: Body;
}

const json = ['content-type', 'application/json'] as const;

/** 204: nothing to return. */
export const noContent: Reply = { status: 204, headers: [] };

/** A JSON document; older blocks end it with a newline, as Go's encoder does (Dapr reference 2). */
export function jsonReply(value: unknown, status = 200): Reply {
  return { status, headers: json, body: `${JSON.stringify(value)}\n` };
}

/** A JSON document that is text already. */
export function jsonTextReply(text: string, status = 200): Reply {
  return { status, headers: json, body: text };
}

/** Response metadata as headers: `metadata.<key>`. */
export function metadataHeaders(metadata: Readonly<Record<string, string>> | undefined): string[] {
  if (metadata === undefined) return [];
  return Object.entries(metadata).flatMap(([key, value]) => [`metadata.${key}`, value]);
}
