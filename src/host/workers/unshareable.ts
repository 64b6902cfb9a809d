import { ProaError } from '../../kernel/errors.ts';
import type { DriverIndex } from '../config/check-component.ts';
import type { LoadedResources } from '../config/model.ts';

/** Fails with `config.invalid` when a component keeps its data in the memory of one process: each worker would have its own. */
export async function refuseUnshareable(loaded: readonly LoadedResources[], drivers: DriverIndex): Promise<void> {
  const found: string[] = [];
  for (const { components } of loaded) {
    for (const { name, type } of components) {
      const definition = await drivers[type]?.load();
      if (definition?.perProcess === true) found.push(`"${name}" (${type})`);
    }
  }
  if (found.length === 0) return;
  throw new ProaError(
    'config.invalid',
    `${[...new Set(found)].join(', ')}: kept in the memory of one process, so several workers would not share it`,
    {
      hint: 'leave --workers out, or take a component that stores what it holds',
    },
  );
}
