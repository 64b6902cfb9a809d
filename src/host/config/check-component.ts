import * as v from 'valibot';
import type { GenericSchema } from 'valibot';
import type { DriverDefinition, DriverKind } from '../../contracts/driver.ts';
import { closest } from '../../kernel/closest.ts';
import { blockProperties } from './block-properties.ts';
import type { ComponentResource, Property } from './model.ts';
import type { Problem } from './problem.ts';

/** Component type to driver; `gen/drivers` has the real one. */
export type DriverIndex = Readonly<Record<string, { readonly kind: DriverKind; load(): Promise<DriverDefinition> }>>;

export interface CheckContext {
  readonly drivers: DriverIndex;
  /** Types that the Configuration denies. */
  readonly denied: readonly string[];
  /** Names of the configured secret stores. */
  readonly secretStores: ReadonlySet<string>;
}

/** The properties that a driver's schema names, with their schemas; undefined when the schema is no object. */
export function entriesOf(schema: GenericSchema): Readonly<Record<string, GenericSchema>> | undefined {
  return (schema as { entries?: Record<string, GenericSchema> }).entries;
}

interface Piped {
  readonly type?: string;
  readonly metadata?: { readonly sensitive?: unknown };
  readonly pipe?: readonly Piped[];
  readonly wrapped?: Piped;
}

/** True when the schema, a step of its pipe or what it wraps carries the metadata `sensitive`. */
export function isSensitive(schema: unknown): boolean {
  const { type, metadata, pipe, wrapped } = (schema ?? {}) as Piped;
  if (type === 'metadata' && metadata?.sensitive === true) return true;
  // The first step of a pipe is the piped schema itself, or a copy without its pipe.
  return wrapped !== undefined ? isSensitive(wrapped) : (pipe?.some((step) => step !== schema && isSensitive(step)) ?? false);
}

function isOptional(schema: GenericSchema): boolean {
  return ['optional', 'exact_optional', 'nullish', 'undefinedable'].includes(schema.type);
}

/** What is wrong with a component as far as can be told without secrets and environment. */
export async function checkComponent(component: ComponentResource, context: CheckContext): Promise<Problem[]> {
  const place = component.at && { at: component.at };
  const problem = (code: Problem['code'], message: string, more: Partial<Problem> = {}): Problem => ({
    severity: 'error',
    code,
    message: `component "${component.name}": ${message}`,
    ...place,
    ...more,
  });
  // A denied type may be written with its version: `state.redis/v1`.
  const denied = context.denied.some(
    (type) => type.toLowerCase() === component.type.toLowerCase() || type === `${component.type}/${component.version}`,
  );
  if (denied) return [problem('config.denied-type', `type ${component.type} is denied by the Configuration`)];
  const entry = Object.hasOwn(context.drivers, component.type) ? context.drivers[component.type] : undefined;
  if (entry === undefined) {
    const known = Object.keys(context.drivers).filter((type) => type.startsWith(`${component.kind}.`));
    const guess = closest(component.type, known);
    const help = guess === undefined ? {} : { help: `did you mean \`${guess}\`?` };
    return [
      problem('config.unknown-type', `there is no driver for type ${component.type}`, {
        notes: [`known: ${known.join(', ') || 'none'}`],
        ...help,
      }),
    ];
  }
  const definition = await entry.load();
  const problems = checkProperties(component, definition);
  if (!definition.versions.includes(component.version)) {
    const notes = [`known: ${definition.versions.join(', ')}`];
    problems.push(problem('config.unknown-version', `${component.type} has no version ${component.version}`, { notes }));
  }
  problems.push(...checkSecrets(component, context));
  return problems;
}

function checkSecrets(component: ComponentResource, { secretStores }: CheckContext): Problem[] {
  const { secretStore } = component;
  return component.properties.flatMap((property): Problem[] => {
    if (property.source.from !== 'secret' || (secretStore !== undefined && secretStores.has(secretStore))) return [];
    const what = `component "${component.name}" refers to secret "${property.source.name}"`;
    const message =
      secretStore === undefined ? `${what}, but names no secret store` : `${what}, but secret store "${secretStore}" is not configured`;
    const known = [...secretStores];
    const help = known[0] === undefined ? 'add a component of type secretstores.*' : `add \`auth: { secretStore: ${known[0]} }\``;
    const at = property.valueAt && { at: property.valueAt };
    return [
      { severity: 'error', code: 'config.secret', message, notes: [`known secret stores: ${known.join(', ') || 'none'}`], help, ...at },
    ];
  });
}

function checkProperties(component: ComponentResource, definition: DriverDefinition): Problem[] {
  const entries = entriesOf(definition.config);
  const open = definition.openProperties === true || definition.config.type === 'loose_object';
  if (entries === undefined) return [];
  const extras = blockProperties[component.kind];
  const known = new Map([...extras, ...Object.keys(entries)].map((name) => [name.toLowerCase(), name]));
  const problems: Problem[] = [];
  for (const property of component.properties) {
    const name = known.get(property.name.toLowerCase());
    if (name !== undefined) problems.push(...checkValue(component, property, entries[name]));
    else if (!open) problems.push(unknownProperty(component, property, [...known.values()]));
  }
  const given = new Set(component.properties.map(({ name }) => name.toLowerCase()));
  for (const [name, schema] of Object.entries(entries)) {
    if (isOptional(schema) || given.has(name.toLowerCase())) continue;
    const message = `component "${component.name}": metadata property \`${name}\` of ${component.type} is missing`;
    problems.push({ severity: 'error', code: 'config.missing-key', message, ...(component.at && { at: component.at }) });
  }
  return problems;
}

function unknownProperty(component: ComponentResource, property: Property, known: readonly string[]): Problem {
  const guess = closest(property.name, known);
  return {
    severity: 'error',
    code: 'config.unknown-key',
    message: `component "${component.name}": ${component.type} has no metadata property \`${property.name}\``,
    notes: [`known properties: ${known.join(', ')}`],
    ...(property.at && { at: property.at }),
    ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
  };
}

/** Values with templates or references are judged when they are resolved. */
function checkValue(component: ComponentResource, property: Property, schema: GenericSchema | undefined): Problem[] {
  if (schema === undefined || property.source.from !== 'literal' || /\{(uuid|podName|namespace|appID)\}/.test(property.source.value))
    return [];
  const result = v.safeParse(schema, property.source.value);
  if (result.success) return [];
  return result.issues.map((issue) => ({
    severity: 'error',
    code: 'config.wrong-value',
    message: `component "${component.name}": metadata property \`${property.name}\` ${describeIssue(issue)}`,
    ...(property.valueAt && { at: property.valueAt }),
    ...(isSensitive(schema) && { concealed: true }),
  }));
}

/** A valibot issue in our words, never with the received value: it may be a secret. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const requirement = issue.requirement as unknown;
  if (issue.type === 'min_value') return `must be at least ${String(requirement)}`;
  if (issue.type === 'max_value') return `must be at most ${String(requirement)}`;
  if (issue.type === 'picklist') return `must be one of ${(issue.expected ?? '').replace(/[()"]/g, '').replaceAll(' | ', ', ')}`;
  if (issue.kind === 'schema' && issue.received === 'undefined') return 'is missing';
  // Texts of our own schemas; valibot's standard ones repeat what they received.
  return issue.message.includes('but received') ? 'has a wrong value' : issue.message;
}
