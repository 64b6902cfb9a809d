import type { ConfiguredResource } from '../contracts/admin.ts';
import type { Origin, Setting } from '../kernel/origin.ts';
import type { LoadedResources, Property, ResourceHead, RuntimeConfiguration } from './config/model.ts';
import { originOf } from './config/source.ts';

/** Names whose values nobody should see, whether or not the driver calls them secret: an unknown driver may not be loaded. */
const secretName = /pass|secret|token|key|credential|private|connection|auth|headers/i;

function fileOrDefault(at: string | undefined): Origin {
  return at === undefined || at === '' || at === 'embedded default' ? { from: 'default' } : { from: 'file', at };
}

// With or without a scheme: collectors are written as host:port.
function withoutCredentials(text: string): string {
  return text.replace(/(^|\/\/)[^/\s@]*@/g, '$1***@');
}

function propertyOf({ name, source, valueAt, at }: Property): Setting {
  const span = valueAt ?? at;
  const origin = fileOrDefault(span === undefined ? undefined : originOf(span));
  if (source.from === 'literal') return { name, value: secretName.test(name) ? '***' : withoutCredentials(source.value), origin };
  const whence = source.from === 'environment' ? `environment ${source.name}` : `secret ${source.name}`;
  return { name: `${name} (${whence})`, value: '***', origin };
}

function headOf(
  kind: string,
  { name, origin }: Pick<ResourceHead, 'name' | 'origin'>,
): Pick<ConfiguredResource, 'kind' | 'name' | 'origin'> {
  return { kind, name, origin: fileOrDefault(origin) };
}

/** The Configuration's values by their paths in YAML. */
function configurationValues(configuration: RuntimeConfiguration): Setting[] {
  const { tracing, metrics, apiLogging, accessControl, features, nameResolution, api, origins } = configuration;
  const values: Readonly<Record<string, Setting['value'] | undefined>> = {
    'spec.tracing.samplingRate': tracing.samplingRate,
    'spec.tracing.stdout': tracing.stdout,
    'spec.tracing.zipkin.endpointAddress': tracing.zipkinEndpoint && withoutCredentials(tracing.zipkinEndpoint),
    'spec.tracing.otel.endpointAddress': tracing.otel && withoutCredentials(tracing.otel.endpointAddress),
    'spec.tracing.otel.protocol': tracing.otel?.protocol,
    'spec.tracing.otel.headers': tracing.otel && Object.keys(tracing.otel.headers).map((name) => `${name}=***`),
    'spec.metrics.enabled': metrics.enabled,
    'spec.metrics.recordErrorCodes': metrics.recordErrorCodes,
    'spec.metrics.http.increasedCardinality': metrics.http.increasedCardinality,
    'spec.metrics.http.excludeVerbs': metrics.http.excludeVerbs,
    'spec.logging.apiLogging.enabled': apiLogging.enabled,
    'spec.logging.apiLogging.obfuscateURLs': apiLogging.obfuscateUrls,
    'spec.accessControl.defaultAction': accessControl?.defaultAction,
    'spec.accessControl.trustDomain': accessControl?.trustDomain,
    'spec.accessControl.policies': accessControl?.policies.map(({ appId, defaultAction }) => `${appId}: ${defaultAction}`),
    'spec.nameResolution.component': nameResolution?.component,
    'spec.api.allowed': api.allowed.map(({ name, version, protocol }) => `${protocol} ${name} ${version}`),
    'spec.api.denied': api.denied.map(({ name, version, protocol }) => `${protocol} ${name} ${version}`),
    'spec.features': Object.entries(features).map(([name, on]) => `${name}: ${on ? 'on' : 'off'}`),
  };
  return Object.entries(values).flatMap(([name, value]): Setting[] =>
    value === undefined ? [] : [{ name, value, origin: fileOrDefault(originUnder(origins, name)) }],
  );
}

/** Answers that a policy gives may hold anything. */
function shownOnly(name: string, value: unknown): unknown {
  if (name === 'body' || name === 'headers') return '***';
  return value === Infinity ? 'unlimited' : value;
}

/** Where the value stands, or the first part of it. */
function originUnder(origins: ReadonlyMap<string, string>, path: string): string | undefined {
  const own = origins.get(path) ?? origins.get(path.replace('spec.metrics', 'spec.metric'));
  if (own !== undefined) return own;
  for (const [written, at] of origins) if (written.startsWith(`${path}.`) || written.startsWith(`${path}[`)) return at;
  return undefined;
}

/** Every resource that applies to an app, its values and where they were written; secrets are `***`. */
export function configuredResources(resources: LoadedResources): ConfiguredResource[] {
  const { configuration, components, policies, httpEndpoints, subscriptions } = resources;
  return [
    { kind: 'Configuration', name: configuration.name, origin: { from: 'default' }, values: configurationValues(configuration) },
    ...components.map((component) => ({
      ...headOf('Component', component),
      type: `${component.type}/${component.version}`,
      values: component.properties.map(propertyOf),
    })),
    ...httpEndpoints.map((endpoint) => ({
      ...headOf('HTTPEndpoint', endpoint),
      values: endpoint.headers.map((header) => ({ ...propertyOf(header), value: '***' })),
    })),
    ...subscriptions.map((subscription) => ({
      ...headOf('Subscription', subscription),
      values: [
        { name: 'pubsubname', value: subscription.spec.pubsub, origin: fileOrDefault(subscription.origin) },
        { name: 'topic', value: subscription.spec.topic, origin: fileOrDefault(subscription.origin) },
      ],
    })),
    ...policies.rollouts.map(({ name, plan, state, attempt, origin }) => ({
      ...headOf('Rollout', { name, origin }),
      values: Object.entries({ ...plan, state, attempt }).map(([key, value]) => ({
        name: key,
        value: typeof value === 'object' ? JSON.stringify(value) : value,
        origin: fileOrDefault(origin),
      })),
    })),
    ...policies.rules.map(({ resource, settings, origins }) => {
      const [, kind = resource, name = ''] = /^(\w+) "?([^"]*)"?$/.exec(resource) ?? [];
      const classes = Object.keys(settings);
      return {
        kind,
        name,
        origin: fileOrDefault(origins[classes[0] ?? '']),
        values: classes.map((each) => ({
          name: each,
          value: JSON.stringify(settings[each as keyof typeof settings], shownOnly),
          origin: fileOrDefault(origins[each]),
        })),
      };
    }),
  ];
}
