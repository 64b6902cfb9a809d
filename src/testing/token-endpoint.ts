import { bytesBody, collect } from '../kernel/body.ts';
import type { HttpClient } from '../contracts/http-client.ts';

/** A client whose one server is a token endpoint: it records what it was sent and answers what `answer` says. */
export function tokenEndpoint(answer: (attempt: number) => { readonly status: number; readonly json: unknown }) {
  const requests: { readonly url: string; readonly form: Readonly<Record<string, string>>; readonly authorization: string | undefined }[] =
    [];
  const http: HttpClient = {
    async request({ headers, target, body, tls }) {
      const text = Buffer.from(await collect(body, 100_000)).toString();
      const at = headers.indexOf('authorization');
      requests.push({
        url: `${tls === undefined ? 'http' : 'https'}://${headers[1]}${target}`,
        form: Object.fromEntries(new URLSearchParams(text)),
        authorization: at < 0 ? undefined : Buffer.from((headers[at + 1] as string).slice(6), 'base64').toString(),
      });
      const { status, json } = answer(requests.length);
      return { status, headers: [], body: bytesBody(Buffer.from(JSON.stringify(json))) };
    },
    close: async () => {},
  };
  return { http, requests };
}
