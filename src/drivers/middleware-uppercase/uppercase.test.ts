import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { bytesBody, type Body } from '../../kernel/body.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { exchange } from '../../testing/middleware-call.ts';
import { config } from './config.ts';
import driver from './index.ts';

const open = (metadata: Record<string, string> = {}) => driver.open(v.parse(config, metadata), testDriverContext());
const response = { status: 201, headers: ['content-length', '5', 'x-a', 'b'], body: bytesBody(Buffer.from('world')) };
const request = { body: 'hello', headers: { 'content-length': '5', 'x-a': 'b' } };

describe('middleware.http.uppercase', () => {
  it.each([
    [{}, 'HELLO', 'world'],
    [{ direction: 'response' }, 'hello', 'WORLD'],
    [{ direction: 'Both' }, 'HELLO', 'WORLD'],
  ])('with %j', async (metadata, sent, received) => {
    const { reached, ...answer } = await exchange(await open(metadata), { ...request, response });
    expect([reached?.body, answer.body, answer.status]).toEqual([sent, received, 201]);
    expect(reached?.headers).toEqual(sent === 'HELLO' ? { 'x-a': 'b' } : request.headers);
    expect(answer.headers).toEqual(received === 'WORLD' ? { 'x-a': 'b' } : { 'content-length': '5', 'x-a': 'b' });
  });

  it('maps letters of every script one to one, however the chunks cut them', async () => {
    const text = 'straße ﬁ ŉ ñandú привет ǆ 𐐨 ı 日本';
    const bytes = Buffer.from(text);
    const bytewise: Body = {
      length: bytes.length,
      discard() {},
      pipe(sink) {
        let at = 0;
        sink.open({
          credit(count) {
            for (let left = count; left > 0 && at < bytes.length; left--) sink.chunk(bytes.subarray(at, ++at));
            if (at++ === bytes.length) sink.end();
          },
          cancel() {},
        });
      },
    };
    const expected = 'STRAßE ﬁ ŉ ÑANDÚ ПРИВЕТ Ǆ 𐐀 I 日本';
    expect((await exchange(await open(), { body: bytewise })).reached?.body).toBe(expected);
    expect((await exchange(await open(), { body: text })).reached?.body).toBe(expected);
  });

  it('replaces invalid UTF-8 and leaves an empty body alone', async () => {
    expect((await exchange(await open(), { body: bytesBody(Buffer.from([0x61, 0xff, 0x62, 0xc3])) })).reached?.body).toBe('A\ufffdB\ufffd');
    expect((await exchange(await open(), { headers: { 'content-length': '0' } })).reached?.headers).toEqual({ 'content-length': '0' });
    expect(v.safeParse(config, { direction: 'up' }).success).toBe(false);
  });
});
