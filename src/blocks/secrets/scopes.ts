import type { SecretScope } from '../../contracts/resources.ts';

/** Decides whether the app may read a secret: a non-empty allow list decides alone, then the deny list, then the default (Dapr reference 10.5). */
export function secretAllowed(scopes: readonly SecretScope[], store: string, secret: string): boolean {
  const scope = scopes.find((candidate) => candidate.store === store);
  if (scope === undefined) return true;
  if (scope.allowed.length > 0) return scope.allowed.includes(secret);
  if (scope.denied.includes(secret)) return false;
  return scope.defaultAccess === 'allow';
}
