import type { ResourceHead } from '../model.ts';
import { anything, filledText, list, object, optional, required, text } from '../shape.ts';
import { originOf, type Span } from '../source.ts';

/** `metadata` of every resource. Members that only Kubernetes writes are accepted and not used. */
export const objectMeta = object({
  name: required(filledText),
  namespace: optional(text),
  labels: optional(anything),
  annotations: optional(anything),
  creationTimestamp: optional(anything),
  generation: optional(anything),
  resourceVersion: optional(anything),
  uid: optional(anything),
  managedFields: optional(anything),
  ownerReferences: optional(anything),
  finalizers: optional(anything),
});

/** Keys that stand beside `spec` in every resource. */
export const headFields = {
  apiVersion: required(text),
  kind: required(text),
  metadata: required(objectMeta),
  scopes: optional(list(text)),
} as const;

/** `auth` of resources with secrets. */
export const authFields = object({ secretStore: optional(text) });

interface Written {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly scopes?: readonly string[];
}

export function headOf(written: Written, at: Span): ResourceHead {
  return {
    name: written.metadata.name,
    namespace: written.metadata.namespace ?? '',
    scopes: written.scopes ?? [],
    at,
    origin: originOf(at),
  };
}
