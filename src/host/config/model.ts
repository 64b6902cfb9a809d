import type { ConcurrencyLimits, RetentionPolicy } from '../../blocks/workflow/index.ts';
import type { SubscriptionSpec } from '../../contracts/app-channel.ts';
import type { DriverKind } from '../../contracts/driver.ts';
import type { AccessControl, SecretScope } from '../../contracts/resources.ts';
import type { WorkflowAccessRule } from '../../contracts/workflow-access.ts';
import type { PolicyDocument, PolicyRule } from '../../mesh/policy/model.ts';
import type { ResiliencySpec } from '../../mesh/policy/resiliency.ts';
import type { Problem } from './problem.ts';
import type { Span } from './source.ts';

/** Where a component's property or an endpoint's header gets its value. */
export type ValueSource =
  | { readonly from: 'literal'; readonly value: string }
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'secret'; readonly name: string; readonly key: string };

export interface Property {
  readonly name: string;
  readonly source: ValueSource;
  /** Absent for embedded defaults. */
  readonly at?: Span;
  readonly valueAt?: Span;
}

/** What every resource has. */
export interface ResourceHead {
  readonly name: string;
  readonly namespace: string;
  readonly scopes: readonly string[];
  /** Absent for embedded defaults. */
  readonly at?: Span;
  /** `file:line`, or `embedded default`. */
  readonly origin: string;
}

/** A Component of YAML that applies to this app, its secrets not yet resolved: see `resolveComponent`. */
export interface ComponentResource extends ResourceHead {
  readonly kind: DriverKind;
  readonly type: string;
  readonly version: string;
  readonly ignoreErrors: boolean;
  readonly initTimeoutMs: number;
  readonly properties: readonly Property[];
  /** The secret store that resolves its secrets; absent when it names none. */
  readonly secretStore?: string;
}

export interface SubscriptionResource extends ResourceHead {
  readonly spec: SubscriptionSpec;
}

export interface HttpEndpointResource extends ResourceHead {
  readonly baseUrl: string;
  readonly headers: readonly Property[];
  readonly tls?: { readonly rootCa?: ValueSource; readonly certificate?: ValueSource; readonly privateKey?: ValueSource };
  readonly secretStore?: string;
}

export interface ResiliencyResource extends ResourceHead, ResiliencySpec {
  readonly name: string;
}

/** What other apps may do with the workflows of this one; with one of these everything else is denied to them. */
export interface WorkflowAccessResource extends ResourceHead {
  readonly rules: readonly WorkflowAccessRule[];
}

/** A Policy of `proa.dev`: one rule. */
export interface PolicyResource extends ResourceHead {
  readonly rule: PolicyRule;
}

export interface PipelineHandler {
  readonly name: string;
  readonly type: string;
  readonly version: string;
  readonly selector: readonly { readonly field: string; readonly value: string }[];
}

export interface TracingConfig {
  /** 0 to 1. */
  readonly samplingRate: number;
  readonly stdout: boolean;
  readonly zipkinEndpoint?: string;
  readonly otel?: {
    readonly protocol: 'http' | 'grpc';
    readonly endpointAddress: string;
    readonly isSecure: boolean;
    readonly headers: Readonly<Record<string, string>>;
    readonly timeoutMs: number;
  };
}

export interface MetricsConfig {
  readonly enabled: boolean;
  readonly recordErrorCodes: boolean;
  readonly http: { readonly increasedCardinality: boolean; readonly pathMatching: readonly string[]; readonly excludeVerbs: boolean };
  readonly latencyBuckets?: readonly number[];
  /** Those of workflows, in milliseconds. */
  readonly workflowLatencyBuckets?: readonly number[];
  readonly rules: readonly {
    readonly name: string;
    readonly labels: readonly { readonly name: string; readonly regex: Readonly<Record<string, string>> }[];
  }[];
}

export interface ApiRule {
  readonly name: string;
  readonly version: string;
  readonly protocol: 'http' | 'grpc';
}

/** What a Configuration says about workflows; absent limits are infinite. */
export interface WorkflowConfig {
  readonly retention: RetentionPolicy;
  readonly limits: { readonly workflows: ConcurrencyLimits; readonly activities: ConcurrencyLimits };
}

/** The effective Configuration (Dapr reference 10.5): every file overlaid in order, defaults filled in. */
export interface RuntimeConfiguration {
  readonly name: string;
  readonly httpPipeline: readonly PipelineHandler[];
  readonly appHttpPipeline: readonly PipelineHandler[];
  readonly tracing: TracingConfig;
  readonly metrics: MetricsConfig;
  readonly secretScopes: readonly SecretScope[];
  /** Absent: no access control. */
  readonly accessControl?: AccessControl;
  readonly nameResolution?: { readonly component: string; readonly version: string; readonly configuration: unknown };
  readonly features: Readonly<Record<string, boolean>>;
  readonly api: { readonly allowed: readonly ApiRule[]; readonly denied: readonly ApiRule[] };
  readonly deniedComponentTypes: readonly string[];
  readonly apiLogging: { readonly enabled?: boolean; readonly obfuscateUrls: boolean; readonly omitHealthChecks: boolean };
  readonly mtls?: unknown;
  readonly workflow: WorkflowConfig;
  /** Where values came from: `spec.tracing.samplingRate` to `file:line`. What is not in it is a default. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Everything that files say about one app. */
export interface LoadedResources {
  readonly components: readonly ComponentResource[];
  readonly subscriptions: readonly SubscriptionResource[];
  readonly httpEndpoints: readonly HttpEndpointResource[];
  readonly resiliencies: readonly ResiliencyResource[];
  readonly workflowAccess: readonly WorkflowAccessResource[];
  /** What Resiliency and Policy resources say together. */
  readonly policies: PolicyDocument;
  readonly configuration: RuntimeConfiguration;
  /** The resolver that the Configuration names; absent: the machine's own registry. */
  readonly nameResolution?: ComponentResource;
  /** Errors and warnings, in order of files. With an error among them nothing must start. */
  readonly problems: readonly Problem[];
}
