import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, it } from 'vitest';
import type { HttpClient } from '../../contracts/http-client.ts';
import { bytesBody } from '../../kernel/body.ts';
import { silentLogger } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { cutOut, keptBytes } from '../../testing/kept-memory.ts';
import { createTokenVerifier } from './tokens.ts';

it('remembers tokens, and not the heads that they were cut out of', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = Buffer.from(JSON.stringify({ keys: [await exportJWK(publicKey)] }));
  const http: HttpClient = {
    request: () => Promise.resolve({ status: 200, headers: [], trailers: () => [], body: bytesBody(keys) }),
    close: () => Promise.resolve(),
  };
  const [issuer, audience, clock] = ['https://issuer.example', 'shop', createFakeClock(1_700_000_000_000)];
  const context = { clock, http, log: silentLogger, name: 'test' };
  const verifier = createTokenVerifier({ issuer, audience, jwksUri: `${issuer}/keys`, context });
  const token = (subject: string): Promise<string> =>
    new SignJWT({ sub: subject, iss: issuer, aud: audience, exp: 1_700_000_600 }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
  expect(await verifier.verify(await token('first'))).toMatchObject({ sub: 'first' });
  const tokens: string[] = [];
  // With their heads they would be 16 MB.
  const bytes = await keptBytes(async () => {
    for (let i = 0; i < 60; i++) {
      tokens.push(await token(`customer-${i}`));
      await verifier.verify(cutOut(tokens.at(-1) as string, 256 * 1024));
    }
  });
  expect(bytes).toBeLessThan(6_000_000);
  expect(verifier.known(tokens[7] as string)).toMatchObject({ sub: 'customer-7' });
});
