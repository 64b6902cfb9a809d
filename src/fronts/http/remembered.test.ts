import { describe, expect, it } from 'vitest';
import { collect } from '../../kernel/body.ts';
import { Remembered } from './remembered.ts';
import type { Reply } from './reply.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const replyOf = (body: string | Uint8Array): Reply => ({ status: 200, headers: ['etag', '7'], body });

describe('what a row remembers', () => {
  it('is the input of the last query, and of no other', () => {
    const remembered = new Remembered();
    expect(remembered.input('')).toBeUndefined();
    remembered.keepInput('a=1', 'decoded');
    expect([remembered.input('a=1'), remembered.input('a=2'), remembered.input('')]).toEqual(['decoded', undefined, undefined]);
  });

  it('is the reply of the very same output, with the bytes that it had', async () => {
    const remembered = new Remembered();
    const output = { data: 'é\u0000ÿ' };
    expect(remembered.reply(output)).toBeUndefined();
    const sent = remembered.keepReply(output, replyOf(bytes(output.data)));
    expect(remembered.reply(output)).toBe(sent);
    expect(remembered.reply({ ...output })).toBeUndefined();
    expect(sent).toMatchObject({ status: 200, headers: ['etag', '7'] });
    for (let i = 0; i < 2; i++) {
      const body = sent.stream ?? expect.unreachable();
      expect([body.length, Buffer.from(await collect(body, 100))]).toEqual([5, bytes(output.data)]);
    }
  });

  it('is also that there was nothing, and a body that is text stays as it is', () => {
    const remembered = new Remembered();
    const nothing: Reply = { status: 204, headers: [] };
    expect(remembered.keepReply(undefined, nothing)).toBe(nothing);
    expect(remembered.reply(undefined)).toBe(nothing);
    const text = replyOf('é');
    expect(remembered.keepReply('x', text)).toBe(text);
    expect(remembered.reply(undefined)).toBeUndefined();
  });

  it('is nothing that is large, and no stream of somebody else', () => {
    const remembered = new Remembered();
    const large = replyOf(Buffer.alloc(4097));
    expect(remembered.keepReply('large', large)).toBe(large);
    const stream: Reply = { status: 200, headers: [], stream: { length: undefined, pipe() {}, discard() {} } };
    expect(remembered.keepReply('stream', stream)).toBe(stream);
    expect([remembered.reply('large'), remembered.reply('stream')]).toEqual([undefined, undefined]);
  });
});
