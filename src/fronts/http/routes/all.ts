import type { Route } from '../route.ts';
import { actorRoutes } from './actors.ts';
import { bindingRoutes } from './bindings.ts';
import { cryptoRoutes } from './crypto.ts';
import { jobRoutes } from './jobs.ts';
import { publishRoutes } from './publish.ts';
import { controlRoutes, healthRoutes, metadataRoutes } from './runtime.ts';
import { stateRoutes } from './state.ts';
import { configurationRoutes, lockRoutes, secretRoutes } from './stores.ts';
import { subtleCryptoRoutes } from './subtle-crypto.ts';
import { unimplementedRoutes } from './unimplemented.ts';
import { workflowManagementRoutes } from './workflow-management.ts';
import { workflowRoutes } from './workflows.ts';

/** Every row of the HTTP API. */
export const apiRoutes: readonly Route[] = [
  ...stateRoutes,
  ...publishRoutes,
  ...bindingRoutes,
  ...secretRoutes,
  ...configurationRoutes,
  ...lockRoutes,
  ...cryptoRoutes,
  ...subtleCryptoRoutes,
  ...jobRoutes,
  ...actorRoutes,
  ...healthRoutes,
  ...metadataRoutes,
  ...controlRoutes,
  ...workflowRoutes,
  ...workflowManagementRoutes,
  ...unimplementedRoutes,
];

interface Rule {
  readonly name: string;
  readonly version: string;
  readonly protocol: 'http' | 'grpc';
}

/**
 * What a Configuration's `spec.api` leaves of the table: deny wins, an empty allow list allows all, and what is left out is not registered,
 * so it answers like an unknown path (Dapr reference 7.7).
 */
export function allowedRoutes(
  routes: readonly Route[],
  api: { readonly allowed: readonly Rule[]; readonly denied: readonly Rule[] },
): { routes: readonly Route[]; invocations: boolean } {
  const [allowed, denied] = [api.allowed.filter(overHttp), api.denied.filter(overHttp)];
  const passes = (name: string, path: string): boolean => {
    if (name === 'healthz') return true;
    if (denied.some((rule) => names(rule, name, path))) return false;
    return allowed.length === 0 || allowed.some((rule) => names(rule, name, path));
  };
  return { routes: routes.filter((row) => passes(row.group, row.path)), invocations: passes('invoke', '/v1.0/invoke/{id}') };
}

function overHttp(rule: Rule): boolean {
  return rule.protocol === 'http';
}

// Rules write versions without dots (`v1`, `v1alpha1`), paths with them (`v1.0`, `v1.0-alpha1`). Old rules are the beginning of a path.
function names(rule: Rule, name: string, path: string): boolean {
  const version = path.split('/', 2)[1] ?? '';
  return (rule.name === name && plain(rule.version) === plain(version)) || path.startsWith(`/${rule.version}/${rule.name}`);
}

function plain(version: string): string {
  return version.replace('v1.0', 'v1').replace('-', '');
}
