import type { ActorAdmin, AdminSource, ExplainedLayer, ExplainQuestion } from '../contracts/admin.ts';
import type { InvokeRequest } from '../contracts/app-channel.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall, type Call } from '../kernel/call.ts';
import type { ProcessPort } from '../kernel/ports.ts';
import type { LoadedResources } from './config/model.ts';
import { configuredResources } from './configured.ts';
import { explainComponent } from './explain-component.ts';
import { explainedLayer, layersFor, type GovernOptions } from './govern.ts';
import type { AppSpec } from './host-api.ts';
import { settingsOf } from './settings.ts';

export type { ConfigView, ExplainedComponent, ExplainedLayer, ExplainedStacks } from '../contracts/admin.ts';
export type { CallRecord, RecordedAttempt } from '../contracts/decisions.ts';
export type { Decision } from '../kernel/trail.ts';

export interface AdminParts {
  readonly spec: AppSpec;
  readonly process: Pick<ProcessPort, 'env'>;
  /** What the runtime's stacks are compiled with. */
  readonly govern: GovernOptions;
  /** What files say, as of the last reload. */
  readonly resources: () => LoadedResources;
  readonly actors: ActorAdmin;
}

/** What a runtime tells about itself and the calls that it remembers. */
export function createAdmin({ spec, process, govern, resources, actors }: AdminParts): AdminSource {
  const { id: app, namespace } = spec;
  return {
    actors,
    why: (traceId) => govern.records.find(traceId),
    explain(question) {
      const call = callOf({ ...question, caller: question.caller || app }, namespace);
      const epoch = govern.book.epoch.number;
      return {
        app,
        epoch,
        ...(call.caller.appId === app && { caller: explainedLayers(govern, call, 'outbound') }),
        ...(question.app === app && { callee: explainedLayers(govern, call, 'inbound') }),
      };
    },
    explainComponent: (question) => explainComponent(govern, resources().components, question),
    config: () => ({
      app,
      namespace,
      epoch: govern.book.epoch.number,
      settings: settingsOf(spec, process),
      resources: configuredResources(resources()),
    }),
  };
}

/** A call that is looked at and not made. */
export function callOf({ app, caller, method, path, headers }: ExplainQuestion, namespace: string): Call<InvokeRequest> {
  const input: InvokeRequest = { appId: app, namespace, httpMethod: method, path, query: '', headers, body: emptyBody, replayable: true };
  return createCall({ block: 'invoke', name: 'call', idempotent: false }, input, { caller: { appId: caller, namespace } });
}

/** The layers of one side in words, outermost first. */
export function explainedLayers(govern: GovernOptions, call: Call<InvokeRequest>, direction: 'outbound' | 'inbound'): ExplainedLayer[] {
  const target = { block: 'invoke', name: call.input.appId, operation: direction === 'outbound' ? 'call' : 'receive', direction };
  return layersFor(govern, target, call).map(explainedLayer);
}
