import type { Endpoint } from '../contracts/resolver.ts';
import { ProaError } from '../kernel/errors.ts';
import type { ProcessPort } from '../kernel/ports.ts';

/** Where and what an instance is, as its surroundings say: `PROA_ZONE`, `PROA_WEIGHT` (0 to 65,535), `PROA_APP_VERSION`. Fails with `config.invalid`. */
export function traitsOf(system: Pick<ProcessPort, 'env'>): Pick<Endpoint, 'zone' | 'weight' | 'version'> {
  const text = (name: string): string | undefined => system.env(name) || undefined;
  const [zone, weight, version] = [text('PROA_ZONE'), text('PROA_WEIGHT'), text('PROA_APP_VERSION')];
  if (weight !== undefined && !(/^\d{1,5}$/.test(weight) && Number(weight) <= 65_535))
    throw new ProaError('config.invalid', `PROA_WEIGHT must be a whole number from 0 to 65535, not "${weight}"`);
  return {
    ...(zone !== undefined && { zone }),
    ...(weight !== undefined && { weight: Number(weight) }),
    ...(version !== undefined && { version }),
  };
}
