import type { Clock, Random } from '../../kernel/ports.ts';

/** A browser on its way through the login, or past it. */
export type Session =
  | { readonly kind: 'login'; readonly state: string; readonly returnTo: string }
  | { readonly kind: 'user'; readonly authorization: string };

const sessionsMax = 10_000;
const loginMs = 10 * 60_000;
const userMs = 60 * 60_000;

/** Sessions in memory, by an unguessable id; at 10 000 the oldest is forgotten, and its browser logs in again. */
export interface Sessions {
  get(id: string | undefined): Session | undefined;
  /** Answers the new session's id. A user's session lasts as long as its token, at most an hour when the server does not say. */
  add(session: Session, expiresAtMs?: number): string;
  remove(id: string): void;
}

export function createSessions(clock: Clock, random: Random): Sessions {
  const sessions = new Map<string, { readonly session: Session; readonly expiresAtMs: number }>();
  return {
    get(id) {
      const held = id === undefined ? undefined : sessions.get(id);
      if (held === undefined) return undefined;
      if (clock.mono() < held.expiresAtMs) return held.session;
      sessions.delete(id as string);
      return undefined;
    },
    add(session, expiresAtMs) {
      const id = Buffer.from(random.bytes(32)).toString('base64url');
      const lifeMs = session.kind === 'login' ? loginMs : userMs;
      sessions.set(id, { session, expiresAtMs: expiresAtMs ?? clock.mono() + lifeMs });
      if (sessions.size > sessionsMax) sessions.delete(sessions.keys().next().value as string);
      return id;
    },
    remove: (id) => void sessions.delete(id),
  };
}
