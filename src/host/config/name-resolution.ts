import type { ComponentResource, Property, RuntimeConfiguration, ValueSource } from './model.ts';
import type { Problem } from './problem.ts';

/** Dapr's resolvers that Proa leaves out, with what does instead. */
const refused: Readonly<Record<string, string>> = {
  sqlite: 'leave spec.nameResolution out: runtimes of one machine find each other without it',
  'aws.cloudmap': 'Cloud Map answers DNS: use proa.dns',
  azure: 'use proa.dns, or kubernetes',
};

/** The registry that is always there; naming it changes nothing. */
const builtIn = 'proa.engine';

/** The resolver that a Configuration names, in the form in which components are checked and resolved; undefined when it is the embedded one. */
export function nameResolutionOf({ nameResolution, origins }: RuntimeConfiguration): ComponentResource | undefined {
  if (nameResolution === undefined || nameResolution.component.toLowerCase() === builtIn) return undefined;
  const { component, version, configuration } = nameResolution;
  return {
    name: 'nameResolution',
    namespace: '',
    scopes: [],
    origin: origins.get('spec.nameResolution.component') ?? 'spec.nameResolution',
    kind: 'nameresolution',
    type: `nameresolution.${component.toLowerCase()}`,
    version,
    ignoreErrors: false,
    initTimeoutMs: 5_000,
    properties: Object.entries(isMap(configuration) ? configuration : {}).map(propertyOf),
  };
}

/** What cannot be told from the driver's schema: resolvers that are refused, and a configuration that is no map. */
export function checkNameResolution({ nameResolution }: RuntimeConfiguration): Problem[] {
  if (nameResolution === undefined) return [];
  const { component, configuration } = nameResolution;
  const reason = Object.hasOwn(refused, component.toLowerCase()) ? refused[component.toLowerCase()] : undefined;
  if (reason !== undefined) {
    const message = `spec.nameResolution: the resolver ${component} is not supported`;
    return [{ severity: 'error', code: 'config.unknown-type', message, help: reason }];
  }
  if (configuration === undefined || configuration === null || isMap(configuration)) return [];
  return [{ severity: 'error', code: 'config.wrong-value', message: 'spec.nameResolution.configuration must be a map' }];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// As metadata of components: texts stay, maps and lists become JSON, `{envRef: NAME}` reads the environment.
function propertyOf([name, value]: readonly [string, unknown]): Property {
  return { name, source: sourceOf(value) };
}

function sourceOf(value: unknown): ValueSource {
  if (isMap(value) && Object.keys(value).length === 1 && typeof value['envRef'] === 'string')
    return { from: 'environment', name: value['envRef'] };
  return { from: 'literal', value: typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value) };
}
