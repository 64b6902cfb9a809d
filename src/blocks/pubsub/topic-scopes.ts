import { property, type Component } from '../../contracts/component-set.ts';

/** Which topics an app may use on one component (Dapr reference 10.1). */
export interface TopicScopes {
  mayPublish(topic: string): boolean;
  maySubscribe(topic: string): boolean;
  /** What the lists name and the app may publish to; others may be allowed that no list names. */
  readonly publishable: readonly string[];
  readonly subscribable: readonly string[];
}

/** Reads `allowedTopics`, `protectedTopics`, `publishingScopes` and `subscriptionScopes` (`app1=t1,t2;app2=`) of a component for one app. */
export function topicScopes(component: Pick<Component<'pubsub'>, 'properties'>, appId: string): TopicScopes {
  const list = (name: string): Set<string> => new Set(split(property(component, name) ?? '', ','));
  const allowed = list('allowedTopics');
  const protectedTopics = list('protectedTopics');
  const may = (scoped: ReadonlySet<string>) => (topic: string) => {
    if (allowed.size > 0 && !allowed.has(topic)) return false;
    if (!protectedTopics.has(topic) && scoped.size === 0) return true;
    return scoped.has(topic);
  };
  const publishing = scopedTopics(property(component, 'publishingScopes') ?? '', appId);
  const subscribing = scopedTopics(property(component, 'subscriptionScopes') ?? '', appId);
  const named = [...new Set([...allowed, ...protectedTopics, ...publishing, ...subscribing])].filter((topic) => topic !== '');
  const [mayPublish, maySubscribe] = [may(publishing), may(subscribing)];
  return { mayPublish, maySubscribe, publishable: named.filter(mayPublish), subscribable: named.filter(maySubscribe) };
}

/** Dapr removes every blank; `app=` alone is a scope of one topic without a name, so that the app may use none. */
function split(text: string, separator: string): string[] {
  const dense = text.replaceAll(' ', '');
  return dense === '' ? [] : dense.split(separator);
}

function scopedTopics(text: string, appId: string): Set<string> {
  const topics = new Set<string>();
  for (const scope of split(text, ';')) {
    const [app, list] = scope.split('=');
    if (app === appId && list !== undefined) for (const topic of list.split(',')) topics.add(topic);
  }
  return topics;
}
