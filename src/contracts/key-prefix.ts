import type { Component } from './component-set.ts';
import { property } from './component-set.ts';
import { ProaError } from '../kernel/errors.ts';

/** Between prefix and key, and between the parts of keys that the runtime makes; illegal inside either. */
export const keySeparator = '||';

/** Whose keys are prefixed. */
export interface KeyOwner {
  readonly appId: string;
  readonly namespace: string;
}

/**
 * What stands before the keys of one app in a component, separator included; empty for none (Dapr reference 4.1). By the property `keyPrefix`:
 * `appid` (default), `namespace`, `name` (of the component), `none`, or any other text, which Dapr lowers. Because a prefix holds no `||` and
 * does not end in `|`, and keys hold no `||`, different pairs of prefix and key never give the same stored key. Fails with `config.invalid`.
 */
export function keyPrefixOf(component: Pick<Component<'state' | 'lock'>, 'name' | 'properties'>, owner: KeyOwner): string {
  const strategy = (property(component, 'keyPrefix') ?? 'appid').toLowerCase();
  const text = prefixText(strategy, component.name, owner);
  if (text.includes(keySeparator) || text.endsWith('|')) {
    const message = `component "${component.name}": input key/keyPrefix '${text}' can't contain '||' or end with '|'`;
    throw new ProaError('config.invalid', message, { hint: 'choose another keyPrefix' });
  }
  return text === '' ? '' : text + keySeparator;
}

function prefixText(strategy: string, component: string, { appId, namespace }: KeyOwner): string {
  if (strategy === 'none') return '';
  if (strategy === 'name') return component;
  if (strategy === 'namespace') return namespace === '' || appId === '' ? appId : `${namespace}.${appId}`;
  return strategy === 'appid' ? appId : strategy;
}

/** The client's key of a stored one: what stands between the first separator and the next. Keys without separator are whole. */
export function originalKey(stored: string): string {
  const start = stored.indexOf(keySeparator);
  if (start < 0) return stored;
  const end = stored.indexOf(keySeparator, start + keySeparator.length);
  return end < 0 ? stored.slice(start + keySeparator.length) : stored.slice(start + keySeparator.length, end);
}
