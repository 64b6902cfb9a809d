import type { InferOutput } from 'valibot';
import { derive } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { compilePattern } from '../../kernel/linear-pattern.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { httpTarget } from '../../contracts/fetch-bytes.ts';
import { withHeader } from '../../contracts/header-pairs.ts';
import type { HttpMiddleware } from '../../contracts/middleware.ts';
import { requestToken, type OauthToken } from '../../contracts/oauth-token.ts';
import { plainResponse } from '../../contracts/plain-response.ts';
import type { config } from './config.ts';

type Options = InferOutput<typeof config>;

const styles = { '0': 'auto', '1': 'body', '2': 'header' } as const;
// A token that runs out on its way is of no use.
const earlyMs = 10_000;

/** Adds a token of the client's own to requests. One token serves all until shortly before it expires; requests that come while it is fetched wait for the same one. */
export async function openClientCredentials(options: Options, context: DriverContext): Promise<HttpMiddleware> {
  const { clock } = context.ports;
  let matches: (path: string) => boolean;
  try {
    matches = options.pathFilter === '' ? () => true : compilePattern(options.pathFilter);
    httpTarget(options.tokenURL);
  } catch (cause) {
    throw new ProaError('component.init-failed', `middleware ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const headerName = options.headerName.toLowerCase();
  let token: OauthToken | undefined;
  let fetching: Promise<OauthToken> | undefined;
  const usable = (): string | undefined =>
    token !== undefined && (token.expiresAtMs === undefined || clock.mono() < token.expiresAtMs - earlyMs)
      ? token.authorization
      : undefined;
  const fetchToken = async (): Promise<OauthToken> => {
    try {
      token = await requestToken({
        http: context.http,
        clock,
        tokenUrl: options.tokenURL,
        clientId: options.clientID,
        clientSecret: options.clientSecret,
        authentication: styles[options.authStyle],
        form: formOf(options),
      });
      return token;
    } finally {
      fetching = undefined;
    }
  };
  return {
    filter: (next) => async (call) => {
      const { target } = call.input;
      if (!matches(target.split('?', 1)[0] as string)) return next(call);
      let authorization = usable();
      if (authorization === undefined) {
        try {
          ({ authorization } = await (fetching ??= fetchToken()));
        } catch (error) {
          context.log.error('no token can be had', { component: context.name, error: (error as Error).message });
          return plainResponse(call.input, 502, { text: 'Bad Gateway' });
        }
      }
      return next(derive(call, { input: { ...call.input, headers: withHeader(call.input.headers, headerName, authorization) } }));
    },
    close: async () => {},
  };
}

function formOf(options: Options): Record<string, string> {
  const scope = options.scopes.split(',').map((word) => word.trim());
  return {
    ...Object.fromEntries(new URLSearchParams(options.endpointParamsQuery)),
    grant_type: 'client_credentials',
    scope: scope.join(' '),
  };
}
