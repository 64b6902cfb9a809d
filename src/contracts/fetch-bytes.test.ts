import { describe, expect, it } from 'vitest';
import { bytesBody, type Body } from '../kernel/body.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { fetchBytes, fetchJson, httpTarget } from './fetch-bytes.ts';
import type { HttpClient } from './http-client.ts';

const answering = (body: Body, status = 200): HttpClient => ({
  request: async () => ({ status, headers: [], body }),
  close: async () => {},
});
const silent: Body = { length: undefined, discard() {}, pipe: (sink) => sink.open({ credit() {}, cancel() {} }) };

describe('httpTarget', () => {
  it.each([
    ['http://a.example', { address: { host: 'a.example', port: 80 }, target: '/', authority: 'a.example' }],
    ['http://[::1]:8080/x?y#z', { address: { host: '::1', port: 8080 }, target: '/x?y', authority: '[::1]:8080' }],
    [
      'https://A.example/ü',
      {
        address: { host: 'a.example', port: 443 },
        target: '/%C3%BC',
        authority: 'a.example',
        tls: { serverName: 'a.example', insecure: true },
      },
    ],
  ])('takes %s apart', (url, expected) => {
    expect(httpTarget(url, { insecure: true })).toEqual(expected);
  });

  it.each([
    '169.254.169.254',
    '2852039166',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '169.254.43518',
    '[::ffff:169.254.169.254]',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ])('refuses the metadata service as %s', (host) => {
    expect(() => httpTarget(`http://${host}/latest`)).toThrow('link-local');
  });

  it.each(['', 'x', '/path', 'ftp://a', 'javascript:1', 'http://user:pw@a/'])('refuses "%s"', (url) => {
    expect(() => httpTarget(url)).toThrow(/is not a URL|neither http nor https|credentials/);
  });
});

describe('fetchBytes', () => {
  it('gives up on a body that does not come', async () => {
    const clock = createFakeClock();
    const fetched = fetchBytes({ http: answering(silent), clock, url: 'http://a', bytesMax: 10, timeoutMs: 100 }).catch(
      (error: unknown) => error,
    );
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
    expect(await fetched).toMatchObject({ code: 'deadline-exceeded', message: 'a did not answer within 100 ms' });
    expect(clock.waiting).toBe(0);
  });

  it('fails beyond its bytes, and for JSON also on other statuses and texts', async () => {
    const clock = createFakeClock();
    const get = (text: string, status = 200) => ({
      http: answering(bytesBody(Buffer.from(text)), status),
      clock,
      url: 'http://a/b',
      bytesMax: 10,
    });
    await expect(fetchBytes(get('x'.repeat(11)))).rejects.toMatchObject({
      code: 'overloaded',
      message: 'the answer of a is larger than 10 bytes',
    });
    expect(await fetchJson(get('{"a":1}'))).toEqual({ a: 1 });
    await expect(fetchJson(get('{"a":1}', 404))).rejects.toThrow('http://a/b answered with status 404');
    await expect(fetchJson(get('<html>'))).rejects.toThrow('http://a/b did not answer with JSON');
  });
});
