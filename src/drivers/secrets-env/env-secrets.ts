import type { DriverContext } from '../../contracts/driver.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';

/** Secrets from the process environment: each variable is one value. The runtime's own variables, which hold its tokens, are never readable. */
export function openEnvSecrets(prefix: string, context: DriverContext): SecretStore {
  const { process } = context.ports;
  return {
    capabilities: [],
    absentIsEmpty: true,
    async get(name) {
      const variable = prefix + name;
      if (isReserved(variable)) {
        context.log.warn('a read of a variable of the runtime was refused', { component: context.name, variable });
        return undefined;
      }
      // Looked up among the variables themselves: Node's environment object also answers to `constructor` and the like.
      const environment = process.environment();
      return Object.hasOwn(environment, variable) ? single(name, environment[variable] as string) : undefined;
    },
    async bulkGet() {
      const secrets: [string, Secret][] = [];
      for (const [variable, value] of Object.entries(process.environment())) {
        if (!variable.startsWith(prefix) || variable.length === prefix.length || isReserved(variable)) continue;
        const name = variable.slice(prefix.length);
        secrets.push([name, single(name, value)]);
      }
      return Object.fromEntries(secrets);
    },
    async close() {},
  };
}

// fromEntries defines an own property even for `__proto__`; an object literal with a computed key does too, but reads less clearly.
function single(name: string, value: string): Secret {
  return Object.fromEntries([[name, value]]);
}

// DAPR_API_TOKEN, APP_API_TOKEN and PROA_* would let an app impersonate the runtime, or the runtime's other apps.
function isReserved(variable: string): boolean {
  const upper = variable.toUpperCase();
  return upper === 'APP_API_TOKEN' || upper.startsWith('DAPR_') || upper.startsWith('PROA_');
}
