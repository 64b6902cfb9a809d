import { describe, expect, it } from 'vitest';
import { topicScopes } from './topic-scopes.ts';

describe('topic scopes', () => {
  it.each<[string, Record<string, string>, string, boolean, boolean]>([
    ['nothing configured', {}, 'a', true, true],
    ['in allowedTopics', { allowedTopics: 'a, b' }, 'b', true, true],
    ['not in allowedTopics', { allowedTopics: 'a,b' }, 'c', false, false],
    ['in the publishing scope', { publishingScopes: 'me=a,b;other=c' }, 'a', true, true],
    ['not in the publishing scope', { publishingScopes: 'me=a,b' }, 'c', false, true],
    ['an empty scope', { publishingScopes: 'me=' }, 'a', false, true],
    ["only another app's scope", { subscriptionScopes: 'other=a' }, 'b', true, true],
    ['not in the subscription scope', { subscriptionScopes: 'me=a' }, 'b', true, false],
    ['protected, without a scope', { protectedTopics: 'a' }, 'a', false, false],
    ['protected, with a publishing scope', { protectedTopics: 'a', publishingScopes: 'me = a' }, 'a', true, false],
    ['not protected, others are', { protectedTopics: 'a' }, 'b', true, true],
    ['scoped but not allowed', { allowedTopics: 'b', publishingScopes: 'me=a' }, 'a', false, false],
    ['names in any case', { ALLOWEDTOPICS: 'b' }, 'a', false, false],
  ])('%s', (_what, properties, topic, publish, subscribe) => {
    const scopes = topicScopes({ properties }, 'me');
    expect([scopes.mayPublish(topic), scopes.maySubscribe(topic)]).toEqual([publish, subscribe]);
  });
});
