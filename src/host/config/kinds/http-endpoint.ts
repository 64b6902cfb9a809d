import type { HttpEndpointResource, ValueSource } from '../model.ts';
import { filledText, list, object, optional, required, text, wrongValue, type Reading } from '../shape.ts';
import { valueAt, type YamlNode } from '../yaml.ts';
import { pair } from './component.ts';
import { authFields, headFields, headOf } from './head.ts';

const tlsDocument = object({
  value: optional(text),
  secretKeyRef: optional(object({ name: required(filledText), key: optional(text) })),
});

const shape = object({
  ...headFields,
  spec: required(
    object({
      baseUrl: required(filledText),
      headers: optional(list(pair)),
      clientTLS: optional(
        object({
          rootCA: optional(tlsDocument),
          certificate: optional(tlsDocument),
          privateKey: optional(tlsDocument),
          renegotiation: optional(text),
        }),
      ),
    }),
  ),
  auth: optional(authFields),
});

function sourceOf(document: NonNullable<ReturnType<typeof tlsDocument>>): ValueSource {
  const secret = document.secretKeyRef;
  if (secret !== undefined) return { from: 'secret', name: secret.name, key: secret.key ?? secret.name };
  return { from: 'literal', value: document.value ?? '' };
}

/** Reads an HTTPEndpoint. */
export function readHttpEndpoint(node: YamlNode, reading: Reading): HttpEndpointResource | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const { baseUrl, headers, clientTLS } = written.spec;
  const urlAt = valueAt(node, 'spec', 'baseUrl')?.span ?? node.span;
  if (!/^https?:\/\/[^/\s]+/i.test(baseUrl) || !URL.canParse(baseUrl)) {
    return wrongValue(reading, urlAt, 'spec.baseUrl must be an http or https URL');
  }
  return {
    ...headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span),
    baseUrl,
    headers: headers ?? [],
    ...(clientTLS && {
      tls: {
        ...(clientTLS.rootCA && { rootCa: sourceOf(clientTLS.rootCA) }),
        ...(clientTLS.certificate && { certificate: sourceOf(clientTLS.certificate) }),
        ...(clientTLS.privateKey && { privateKey: sourceOf(clientTLS.privateKey) }),
      },
    }),
    ...(written.auth?.secretStore && { secretStore: written.auth.secretStore }),
  };
}
