import type { Secret } from '../kernel/secret.ts';
import type { SubscriptionSpec } from './app-channel.ts';

/** Secret scopes of one store (Dapr reference 10.5). A non-empty allow list decides alone, then the deny list, then the default. */
export interface SecretScope {
  readonly store: string;
  readonly defaultAccess: 'allow' | 'deny';
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
}

/** Declarative subscriptions that apply to this app. */
export type DeclaredSubscriptions = readonly SubscriptionSpec[];

/** An HTTPEndpoint resource with its secrets resolved. */
export interface HttpEndpoint {
  readonly name: string;
  readonly baseUrl: string;
  readonly headers: Readonly<Record<string, string | Secret>>;
  readonly tls?: { readonly rootCa?: string; readonly certificate?: string; readonly privateKey?: Secret };
}

/** Access control lists of a Configuration (Dapr reference 10.5). */
export interface AccessControl {
  readonly defaultAction: 'allow' | 'deny';
  readonly trustDomain: string;
  readonly policies: readonly {
    readonly appId: string;
    readonly namespace: string;
    readonly trustDomain: string;
    readonly defaultAction: 'allow' | 'deny';
    readonly operations: readonly { readonly name: string; readonly httpVerbs: readonly string[]; readonly action: 'allow' | 'deny' }[];
  }[];
}
