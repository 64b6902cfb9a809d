import type { Http2Session as NodeSession } from 'node:http2';
import type { Clock, Timer } from '../../kernel/ports.ts';
import { http2Codes, type Http2Limits, type KeepAlive } from '../http2/http2.ts';

const windowMs = 10_000;

/** Ends a connection and its streams with an error code. Without one, Node lets streams look as if they had ended properly. */
export function breakSession(session: NodeSession, code: number): void {
  // The overload that takes only a code, which the types lack.
  if (!session.destroyed) (session as unknown as { destroy(code: number): void }).destroy(code);
}

/**
 * Ends a connection whose peer floods it with frames that cost the peer nothing (PING, SETTINGS, RST_STREAM). Returns the function
 * to call for each stream that the peer has reset.
 */
export function guardFloods(session: NodeSession, clock: Clock, controlFramesMax: number): () => void {
  let since = clock.mono();
  let count = 0;
  const counted = (): void => {
    const now = clock.mono();
    if (now - since > windowMs) {
      since = now;
      count = 0;
    }
    count++;
    if (count > controlFramesMax) breakSession(session, http2Codes.enhanceYourCalm);
  };
  session.on('ping', counted);
  session.on('remoteSettings', counted);
  return counted;
}

/** Asks the peer for a sign of life, only while `busy`; a peer that gives none is disconnected. Ends with the session. */
export function keepAlive(session: NodeSession, options: { readonly clock: Clock; readonly keepAlive: KeepAlive; busy(): boolean }): void {
  const { clock } = options;
  const { intervalMs, timeoutMs } = options.keepAlive;
  let timer: Timer;
  let answered = true;
  const late = (): void => {
    if (answered) arm();
    else breakSession(session, http2Codes.cancel);
  };
  const ask = (): void => {
    if (session.destroyed) return;
    if (!options.busy()) {
      arm();
      return;
    }
    answered = false;
    session.ping(() => {
      answered = true;
    });
    timer = clock.timer(timeoutMs, late, true);
  };
  const arm = (): void => {
    timer = clock.timer(intervalMs, ask, true);
  };
  arm();
  session.on('close', () => timer.cancel());
}

/** Ends a connection whose peer does not begin (preface and SETTINGS), or does not acknowledge our SETTINGS, in time: Node waits for both without end. */
export function guardBeginning(
  session: NodeSession,
  clock: Clock,
  { handshakeTimeoutMs, settingsTimeoutMs }: Pick<Http2Limits, 'handshakeTimeoutMs' | 'settingsTimeoutMs'>,
): void {
  const begun = clock.timer(handshakeTimeoutMs, () => breakSession(session, http2Codes.protocolError), true);
  const acknowledged = clock.timer(settingsTimeoutMs, () => breakSession(session, http2Codes.settingsTimeout), true);
  session.once('remoteSettings', () => begun.cancel());
  session.once('localSettings', () => acknowledged.cancel());
  session.once('close', () => {
    begun.cancel();
    acknowledged.cancel();
  });
}
