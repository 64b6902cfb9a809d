import { type ErrorSpec, spec } from './error-spec.ts';

/** The errors of actors; codes and statuses are Dapr's, where it has them. */
export const actorErrors = {
  'actor.no-runtime': spec('ERR_ACTOR_RUNTIME_NOT_FOUND', 500, 'INTERNAL', { category: 'actor', title: 'Actors are off' }),
  'actor.closed': spec('ERR_ACTOR_RUNTIME_CLOSED', 503, 'UNAVAILABLE', {
    category: 'actor',
    title: 'The runtime takes no more calls of actors',
    retry: 'safe',
  }),
  'actor.no-address': spec('ERR_ACTOR_NO_ADDRESS', 404, 'FAILED_PRECONDITION', {
    category: 'actor',
    title: 'No runtime hosts actors of this type',
    retry: 'safe',
    hint: 'is an app running that lists the type in its answer to GET /dapr/config?',
  }),
  'actor.not-active': spec('ERR_ACTOR_INSTANCE_MISSING', 400, 'INTERNAL', {
    category: 'actor',
    title: 'The actor is not active on this host',
    hint: 'it comes into memory with a call of one of its methods; `proa actor list` tells where which are',
  }),
  'actor.invoke': spec('ERR_ACTOR_INVOKE_METHOD', 500, 'INTERNAL', {
    category: 'actor',
    title: "The actor's method failed",
    retry: 'unknown',
  }),
  'actor.no-method': spec('ERR_ACTOR_INVOKE_METHOD', 404, 'NOT_FOUND', { category: 'actor', title: 'The actor has no such method' }),
  'actor.stack-depth': spec('ERR_ACTOR_STACK_DEPTH', 500, 'RESOURCE_EXHAUSTED', {
    category: 'actor',
    title: 'Calls of one chain entered the actor too often',
  }),
  'actor.busy': spec('ERR_ACTOR_BUSY', 429, 'RESOURCE_EXHAUSTED', {
    category: 'actor',
    title: 'Too many calls wait for the actor, or too many actors are active',
    retry: 'safe',
  }),
  'actor.moved': spec('ERR_ACTOR_MOVED', 503, 'UNAVAILABLE', {
    category: 'actor',
    title: 'Another runtime hosts the actor, or is about to',
    retry: 'safe',
  }),
  'actor.overlap': spec('ERR_ACTOR_OVERLAP', 503, 'UNAVAILABLE', {
    category: 'actor',
    title: 'Another runtime took the actor over while its turn ran: nothing of the turn counts',
    retry: 'unknown',
  }),
  'actor.state-get': spec('ERR_ACTOR_STATE_GET', 500, 'INTERNAL', {
    category: 'actor',
    title: "The actor's state cannot be read",
    retry: 'safe',
  }),
  'actor.state-save': spec('ERR_ACTOR_STATE_TRANSACTION_SAVE', 500, 'INTERNAL', {
    category: 'actor',
    title: "The actor's state cannot be saved",
    retry: 'unknown',
  }),
  'actor.timer-create': spec('ERR_ACTOR_TIMER_CREATE', 500, 'INTERNAL', { category: 'actor', title: 'The timer cannot be registered' }),
  'actor.reminder-create': spec('ERR_ACTOR_REMINDER_CREATE', 500, 'INTERNAL', {
    category: 'actor',
    title: 'The reminder cannot be registered',
    retry: 'unknown',
  }),
  'actor.reminder-get': spec('ERR_ACTOR_REMINDER_GET', 500, 'INTERNAL', {
    category: 'actor',
    title: 'The reminder cannot be read',
    retry: 'safe',
  }),
  'actor.reminder-delete': spec('ERR_ACTOR_REMINDER_DELETE', 500, 'INTERNAL', {
    category: 'actor',
    title: 'The reminder cannot be removed',
    retry: 'safe',
  }),
  'actor.reminder-not-hosted': spec('ERR_ACTOR_REMINDER_NON_HOSTED', 403, 'PERMISSION_DENIED', {
    category: 'actor',
    title: 'The app does not host actors of this type',
    hint: 'reminders are registered through the runtime of an app that lists the type in its answer to GET /dapr/config',
  }),
  'actor.reminder-not-found': spec('ERR_ACTOR_REMINDER_NOT_FOUND', 404, 'NOT_FOUND', {
    category: 'actor',
    title: 'The actor has no such reminder',
  }),
  'actor.reminder-exists': spec('ERR_ACTOR_REMINDER_ALREADY_EXISTS', 409, 'ALREADY_EXISTS', {
    category: 'actor',
    title: 'The actor has a reminder of this name',
  }),
  'actor.reserved': spec('ERR_ACTOR_TYPE_RESERVED', 403, 'PERMISSION_DENIED', {
    category: 'actor',
    title: 'Types that begin with dapr.internal. belong to the runtime',
  }),
} as const satisfies Record<string, ErrorSpec>;
