import { derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { nearestOf, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import type { SecretScope } from '../../contracts/resources.ts';
import type { Secret } from '../../contracts/secrets.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { SecretsBlock } from './index.ts';
import { secretAllowed } from './scopes.ts';

export interface SecretsBlockDeps {
  readonly stores: ComponentSet<'secretstores'>;
  /** Scopes of the app's Configuration; asked per call, so that a reload takes effect at once. */
  readonly scopes: () => readonly SecretScope[];
}

interface Read {
  readonly name: string;
  readonly metadata: Metadata;
}

/** Reads secrets within their scopes. A refused read is logged with the secret's name; values are never logged. */
export function createSecretsBlock(context: BlockContext, deps: SecretsBlockDeps): SecretsBlock {
  const log = context.log.scoped('proa.secrets');
  const one = governedServices<'secretstores', Read, Secret | undefined>({
    govern: context.govern,
    block: 'secrets',
    direction: 'outbound',
    serve: (component) => (call) => readOne(component, call.input),
  });
  const all = governedServices<'secretstores', Metadata, Readonly<Record<string, Secret>>>({
    govern: context.govern,
    block: 'secrets',
    direction: 'outbound',
    serve: (component) => (call) => readAll(component, call.input),
  });
  const allowed = (store: string, name: string): boolean => {
    if (secretAllowed(deps.scopes(), store, name)) return true;
    log.warn('a secret scope refused a read', { [logFields.component]: store, secret: name });
    return false;
  };
  return {
    async get(call: Call<{ readonly store: string; readonly name: string; readonly metadata: Metadata }>) {
      const { store, name, metadata } = call.input;
      const component = storeNamed(deps.stores, store);
      if (!allowed(store, name)) throw new ProaError('secrets.denied', `access denied by policy to get "${name}" from "${store}"`);
      const secret = await one(component, 'get')(derive(call, { input: { name, metadata } }));
      return secret ?? absent(component, name);
    },
    async bulkGet(call: Call<{ readonly store: string; readonly metadata: Metadata }>) {
      const { store, metadata } = call.input;
      const component = storeNamed(deps.stores, store);
      const secrets = await all(component, 'bulk_get')(derive(call, { input: metadata }));
      return Object.fromEntries(Object.entries(secrets).filter(([name]) => allowed(store, name)));
    },
  };
}

function storeNamed(stores: ComponentSet<'secretstores'>, name: string): Component<'secretstores'> {
  const component = stores.get(name);
  if (component !== undefined) return component;
  if (stores.list().length === 0) throw new ProaError('secrets.not-configured', 'secret store is not configured');
  throw new ProaError('secrets.not-found', `failed finding secret store with key ${name}`, nearestOf(name, stores.list()));
}

// Not within the governed call: nothing failed, and asking again would not help.
function absent({ name: store, driver }: Component<'secretstores'>, name: string): Secret {
  if (driver.absentIsEmpty === true) return { [name]: '' };
  throw new ProaError('secrets.get', `failed getting secret with key ${name} from secret store ${store}: secret ${name} not found`);
}

async function readOne(component: Component<'secretstores'>, read: Read): Promise<Secret | undefined> {
  try {
    return await component.driver.get(read.name, read.metadata);
  } catch (cause) {
    const what = `failed getting secret with key ${read.name} from secret store ${component.name}: ${messageOf(cause)}`;
    throw new ProaError('secrets.get', what, { cause });
  }
}

async function readAll(component: Component<'secretstores'>, metadata: Metadata): Promise<Readonly<Record<string, Secret>>> {
  try {
    return await component.driver.bulkGet(metadata);
  } catch (cause) {
    throw new ProaError('secrets.get', `failed getting secrets from secret store ${component.name}: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
