import type { AccessControl } from '../../../contracts/resources.ts';
import { pathPatternError } from '../../../fronts/http/path-label.ts';
import type { RuntimeConfiguration } from '../model.ts';
import {
  anything,
  duration,
  filledText,
  flag,
  list,
  object,
  optional,
  record,
  required,
  text,
  whole,
  withDefault,
  word,
  wrongValue,
  type Reader,
  type Reading,
} from '../shape.ts';
import { toPlain, valueAt, type YamlNode } from '../yaml.ts';
import { headFields } from './head.ts';
import { workflowConfigOf, workflowSettings } from './workflow-settings.ts';

const pipeline = object({
  handlers: withDefault(
    list(
      object({
        name: required(filledText),
        type: required(filledText),
        version: withDefault(filledText, 'v1'),
        selector: optional(object({ fields: withDefault(list(object({ field: required(text), value: required(text) })), []) })),
      }),
    ),
    [],
  ),
});

const rate: Reader<number> = (node, path, reading) => {
  const value = node.kind === 'scalar' && node.text !== '' ? Number(node.text) : Number.NaN;
  return value >= 0 && value <= 1 ? value : wrongValue(reading, node.span, `${path} must be a number from 0 (off) to 1 (all)`);
};

/** `k=v,k2=v2`, a list of `k=v`, or a list of {name, value}. */
const headers: Reader<Readonly<Record<string, string>>> = (node, path, reading) => {
  const items = node.kind === 'list' ? node.items : [node];
  const pairs = items.flatMap((item): (readonly [string, string])[] => {
    if (item.kind === 'map') return [[String(toPlain(valueAt(item, 'name') ?? item)), String(toPlain(valueAt(item, 'value') ?? item))]];
    const written = item.kind === 'scalar' ? item.text.split(',') : [];
    return written.map((part) => [part.slice(0, Math.max(0, part.indexOf('='))).trim(), part.slice(part.indexOf('=') + 1).trim()]);
  });
  const sound = pairs.length > 0 && pairs.every(([name]) => name !== '');
  return sound ? Object.fromEntries(pairs) : wrongValue(reading, node.span, `${path} must be name=value pairs`);
};

const tracing = object({
  samplingRate: optional(rate),
  stdout: withDefault(flag, false),
  zipkin: optional(object({ endpointAddress: required(text) })),
  otel: optional(
    object({
      protocol: withDefault(word('http', 'grpc'), 'grpc'),
      endpointAddress: required(filledText),
      isSecure: withDefault(flag, true),
      headers: withDefault(headers, {}),
      timeout: withDefault(duration, 10_000),
    }),
  ),
});

const pathPattern: Reader<string> = (node, path, reading) => {
  const written = text(node, path, reading);
  const why = written === undefined ? undefined : pathPatternError(written);
  return why === undefined ? written : wrongValue(reading, node.span, `${path} is no pattern of paths: ${why}`);
};

const buckets = list(whole(0, 1_000_000_000));
/** What one counts for. */
const unit: Reader<number> = (node, path, reading) => {
  const ms = duration(node, path, reading);
  return ms === undefined || ms > 0 ? ms : wrongValue(reading, node.span, `${path} must be longer than nothing`);
};
const metrics = object({
  enabled: withDefault(flag, true),
  recordErrorCodes: withDefault(flag, false),
  http: optional(object({ increasedCardinality: optional(flag), pathMatching: optional(list(pathPattern)), excludeVerbs: optional(flag) })),
  latencyDistributionBuckets: optional(buckets),
  rules: withDefault(
    list(
      object({
        name: required(text),
        labels: withDefault(list(object({ name: required(text), regex: withDefault(record(text), {}) })), []),
      }),
    ),
    [],
  ),
  workflow: optional(object({ latencyDistributionBuckets: optional(buckets), latencyDistributionUnits: optional(unit) })),
});

const action = word('allow', 'deny');
const verbs: Reader<readonly string[]> = (node, path, reading) =>
  list(word('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'CONNECT', 'TRACE', '*'))(upperCased(node), path, reading);

function upperCased(node: YamlNode): YamlNode {
  if (node.kind === 'list') return { ...node, items: node.items.map(upperCased) };
  return node.kind === 'scalar' ? { ...node, text: node.text.toUpperCase() } : node;
}

const accessControl = object({
  defaultAction: optional(action),
  trustDomain: withDefault(filledText, 'public'),
  policies: withDefault(
    list(
      object({
        appId: required(filledText),
        defaultAction: optional(action),
        trustDomain: required(filledText),
        namespace: required(filledText),
        operations: withDefault(
          list(object({ name: required(filledText), httpVerb: withDefault(verbs, ['*']), action: required(action) })),
          [],
        ),
      }),
    ),
    [],
  ),
});

const apiRules = withDefault(
  list(object({ name: required(filledText), version: required(filledText), protocol: withDefault(word('http', 'grpc'), 'http') })),
  [],
);

const spec = object({
  httpPipeline: optional(pipeline),
  appHttpPipeline: optional(pipeline),
  tracing: optional(tracing),
  metric: optional(metrics),
  metrics: optional(metrics),
  mtls: optional(anything),
  secrets: optional(
    object({
      scopes: withDefault(
        list(
          object({
            storeName: required(filledText),
            defaultAccess: withDefault(action, 'allow'),
            allowedSecrets: withDefault(list(text), []),
            deniedSecrets: withDefault(list(text), []),
          }),
        ),
        [],
      ),
    }),
  ),
  accessControl: optional(accessControl),
  nameResolution: optional(
    object({ component: required(filledText), version: withDefault(filledText, 'v1'), configuration: optional(anything) }),
  ),
  features: withDefault(list(object({ name: required(filledText), enabled: withDefault(flag, false) })), []),
  api: optional(object({ allowed: apiRules, denied: apiRules })),
  components: optional(object({ deny: withDefault(list(filledText), []) })),
  logging: optional(
    object({
      apiLogging: optional(
        object({ enabled: optional(flag), obfuscateURLs: withDefault(flag, false), omitHealthChecks: withDefault(flag, false) }),
      ),
    }),
  ),
  wasm: optional(object({ strictSandbox: optional(flag) })),
  workflow: optional(workflowSettings),
});
type Spec = NonNullable<ReturnType<typeof spec>>;

const shape = object({ ...headFields, spec: required(spec) });

/** Features that are on unless a Configuration turns them off (Dapr reference 10.5). */
const featuresOn = { HotReload: true, WorkflowsRemoteActivityReminder: true } as const;

/** Reads a Configuration, or what several files overlaid give. */
export function readConfiguration(node: YamlNode, reading: Reading): RuntimeConfiguration | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const stores = new Set<string>();
  for (const { storeName } of written.spec.secrets?.scopes ?? []) {
    if (stores.has(storeName))
      wrongValue(reading, valueAt(node, 'spec', 'secrets')?.span ?? node.span, `spec.secrets.scopes: store "${storeName}" has two scopes`);
    stores.add(storeName);
  }
  return effective(written.metadata.name, written.spec, reading.origins);
}

/** The Configuration of an app that has none. */
export function defaultConfiguration(): RuntimeConfiguration {
  return effective('', { features: [] }, new Map());
}

function effective(name: string, from: Spec, origins: ReadonlyMap<string, string>): RuntimeConfiguration {
  const { nameResolution } = from;
  return {
    name,
    httpPipeline: handlersOf(from.httpPipeline),
    appHttpPipeline: handlersOf(from.appHttpPipeline),
    tracing: tracingOf(from.tracing),
    metrics: metricsOf(from.metrics ?? from.metric),
    secretScopes: (from.secrets?.scopes ?? []).map((scope) => ({
      store: scope.storeName,
      defaultAccess: scope.defaultAccess,
      allowed: scope.allowedSecrets,
      denied: scope.deniedSecrets,
    })),
    ...(from.accessControl && { accessControl: accessOf(from.accessControl) }),
    ...(nameResolution && {
      nameResolution: { component: nameResolution.component, version: nameResolution.version, configuration: nameResolution.configuration },
    }),
    features: { ...featuresOn, ...Object.fromEntries(from.features.map((feature) => [feature.name, feature.enabled])) },
    api: from.api ?? { allowed: [], denied: [] },
    deniedComponentTypes: from.components?.deny ?? [],
    apiLogging: apiLoggingOf(from.logging?.apiLogging),
    ...(from.mtls !== undefined && { mtls: from.mtls }),
    workflow: workflowConfigOf(from.workflow),
    origins,
  };
}

function handlersOf(from: Spec['httpPipeline']): RuntimeConfiguration['httpPipeline'] {
  return (from?.handlers ?? []).map(({ selector, ...handler }) => ({ ...handler, selector: selector?.fields ?? [] }));
}

function tracingOf(from: Spec['tracing']): RuntimeConfiguration['tracing'] {
  if (from === undefined) return { samplingRate: 0, stdout: false };
  const { otel, zipkin } = from;
  return {
    // Dapr samples one of ten thousand when a tracing section gives no rate.
    samplingRate: from.samplingRate ?? 0.0001,
    stdout: from.stdout,
    ...(zipkin?.endpointAddress && { zipkinEndpoint: zipkin.endpointAddress }),
    ...(otel && {
      otel: {
        protocol: otel.protocol,
        endpointAddress: otel.endpointAddress,
        isSecure: otel.isSecure,
        headers: otel.headers,
        timeoutMs: otel.timeout,
      },
    }),
  };
}

function metricsOf(from: Spec['metric']): RuntimeConfiguration['metrics'] {
  const http = from?.http;
  return {
    enabled: from?.enabled ?? true,
    recordErrorCodes: from?.recordErrorCodes ?? false,
    http: {
      increasedCardinality: http?.increasedCardinality ?? true,
      pathMatching: http?.pathMatching ?? [],
      excludeVerbs: http?.excludeVerbs ?? false,
    },
    ...(from?.latencyDistributionBuckets && { latencyBuckets: from.latencyDistributionBuckets }),
    ...(from?.workflow?.latencyDistributionBuckets && {
      workflowLatencyBuckets: from.workflow.latencyDistributionBuckets.map(
        (bound) => bound * (from.workflow?.latencyDistributionUnits ?? 1),
      ),
    }),
    rules: from?.rules ?? [],
  };
}

function accessOf(from: NonNullable<Spec['accessControl']>): AccessControl {
  // Without an own default: policies mean deny, no policies mean allow (Dapr reference 10.5).
  const defaultAction = from.defaultAction ?? (from.policies.length > 0 ? 'deny' : 'allow');
  return {
    defaultAction,
    trustDomain: from.trustDomain,
    policies: from.policies.map(({ operations, ...policy }) => ({
      ...policy,
      defaultAction: policy.defaultAction ?? defaultAction,
      operations: operations.map(({ name, httpVerb, action: decision }) => ({ name, httpVerbs: httpVerb, action: decision })),
    })),
  };
}

function apiLoggingOf(from: NonNullable<Spec['logging']>['apiLogging']): RuntimeConfiguration['apiLogging'] {
  return {
    ...(from?.enabled !== undefined && { enabled: from.enabled }),
    obfuscateUrls: from?.obfuscateURLs ?? false,
    omitHealthChecks: from?.omitHealthChecks ?? false,
  };
}
