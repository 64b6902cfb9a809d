import 'reflect-metadata';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProaError } from '../../src/kernel/errors.ts';
import { createApp, type App } from '../../src/sdk/app.ts';
import type { Client } from '../../src/sdk/client.ts';
import { reply } from '../../src/sdk/request.ts';
import { createMachine, type Machine } from '../fixtures/sdk-modes.ts';

interface Hosted {
  readonly port: number;
  close(): Promise<unknown>;
}

async function listening(listener: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<Hosted> {
  const server: Server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: (server.address() as AddressInfo).port, close };
}

type RouteHandler = (request: Request, context: { readonly params: Promise<Readonly<Record<string, string[]>>> }) => Promise<Response>;

/** A Request as Next's handlers get it: a subclass with parts of its own. */
class NextLikeRequest extends Request {
  get nextUrl(): URL {
    return new URL(this.url);
  }
}

async function nextRequest(incoming: IncomingMessage): Promise<NextLikeRequest> {
  const { method = 'GET', url = '/', headers } = incoming;
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  const body = parts.length === 0 ? {} : { body: Uint8Array.from(Buffer.concat(parts)) };
  return new NextLikeRequest(`http://host${url}`, { method, headers: headers as Record<string, string>, ...body });
}

// As docs/guides/sdk.md shows each.
const frameworks: Readonly<Record<string, (app: App) => Promise<Hosted>>> = {
  Express(app) {
    const host = express();
    host.get('/own', (_request, response) => void response.send('of the framework'));
    host.use(getRequestListener((request) => app.fetch(request)));
    return listening(host);
  },
  async Fastify(app) {
    const host = fastify();
    host.removeAllContentTypeParsers();
    host.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    host.get('/own', () => 'of the framework');
    host.all('/*', async ({ method, url, headers, body }, answer) => {
      const pairs = Object.entries(headers).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value] as [string, string]] : [],
      );
      const bytes = Buffer.isBuffer(body) && body.length > 0 ? { body: Uint8Array.from(body) } : {};
      const response = await app.fetch(new Request(`http://host${url}`, { method, headers: pairs, ...bytes }));
      return answer
        .code(response.status)
        .headers(Object.fromEntries(response.headers))
        .send(Buffer.from(await response.arrayBuffer()));
    });
    await host.listen({ host: '127.0.0.1', port: 0 });
    return { port: (host.server.address() as AddressInfo).port, close: () => host.close() };
  },
  async Nest(app) {
    // The decorators as the functions that they are: nothing here compiles them.
    class Own {
      own(): string {
        return 'of the framework';
      }
    }
    Get('own')(Own.prototype, 'own', Object.getOwnPropertyDescriptor(Own.prototype, 'own') as PropertyDescriptor);
    Controller()(Own);
    class Root {}
    Module({ controllers: [Own] })(Root);
    const nest = await NestFactory.create(Root, { bodyParser: false, logger: false });
    const listener = getRequestListener((request) => app.fetch(request));
    nest.use((request: IncomingMessage, response: ServerResponse, next: () => void) =>
      request.url === '/own' ? next() : void listener(request, response),
    );
    await nest.listen(0, '127.0.0.1');
    const server = nest.getHttpServer() as Server;
    return { port: (server.address() as AddressInfo).port, close: () => nest.close() };
  },
  // Not Next itself, which is too large to install for a test, but what it does with a module of handlers: by method, with a subclass of Request and the
  // parameters of the route.
  'what Next does'(app) {
    const route: Readonly<Record<string, RouteHandler>> = {
      GET: app.fetch,
      POST: app.fetch,
      PUT: app.fetch,
      DELETE: app.fetch,
      OPTIONS: app.fetch,
    };
    const own: RouteHandler = () => Promise.resolve(new Response('of the framework'));
    return listening(async (incoming, response) => {
      const request = await nextRequest(incoming);
      const { pathname } = request.nextUrl;
      const handler = pathname === '/own' ? own : route[request.method];
      const answer = (await handler?.(request, { params: Promise.resolve({ path: pathname.slice(1).split('/') }) })) ?? Response.error();
      response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(Buffer.from(await answer.arrayBuffer()));
    });
  },
  Hono(app) {
    const host = new Hono();
    host.get('/own', (context) => context.text('of the framework'));
    host.all('*', (context) => app.fetch(context.req.raw));
    return listening(getRequestListener(host.fetch));
  },
};

describe.each(Object.keys(frameworks))('an app that %s hosts', (name) => {
  const events: unknown[] = [];
  const ticks: string[] = [];
  let machine: Machine;
  let hosted: Hosted;
  let client: Client;

  beforeAll(async () => {
    machine = createMachine();
    const app = createApp()
      .handle('orders/{id}', ({ params, query, httpMethod, data, caller, header }) => ({
        id: params['id'],
        colour: query.get('colour'),
        httpMethod,
        data,
        caller,
        extra: header('x-extra'),
      }))
      .handle('created', () => reply(201, { made: true }, { 'x-made': 'yes' }))
      .handle('nothing', () => undefined)
      .handle('bytes', ({ body }) => Uint8Array.from(body).toReversed())
      .handle('missing', () => {
        throw new ProaError('not-found', 'there is no such order', { details: { reason: 'ORDER_UNKNOWN', metadata: { id: '7' } } });
      })
      .subscribe('pubsub', 'placed', ({ data }) => void events.push(data))
      .onBinding('tick', ({ name: binding }) => void ticks.push(binding));
    hosted = await (frameworks[name] as (app: App) => Promise<Hosted>)(app);
    await machine.serve('shop', 'http', app, { listen: false, hostedPort: hosted.port });
    ({ client } = await machine.serve('caller', 'http'));
  });

  afterAll(async () => {
    await machine?.close();
    await hosted?.close();
  });

  it('gets calls whole, and its answers come back whole', async () => {
    const order = await client.invoke('shop', 'orders/a%20b?colour=red', { n: 1 }, { httpMethod: 'PUT', headers: { 'x-extra': 'ü' } });
    expect(order).toMatchObject({ id: 'a b', colour: 'red', httpMethod: 'PUT', data: { n: 1 }, caller: 'caller' });
    const created = await client.request('shop', 'created');
    expect(created).toMatchObject({ status: 201 });
    expect(created.headers).toEqual(expect.arrayContaining(['x-made', 'yes']));
    expect(JSON.parse(Buffer.from(created.body).toString())).toEqual({ made: true });
    expect(await client.invoke('shop', 'nothing')).toBeUndefined();
    const large = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    const { body } = await client.request('shop', 'bytes', large);
    expect(Buffer.from(body).equals(Buffer.from(large.toReversed()))).toBe(true);
  });

  it('fails as any app does', async () => {
    await expect(client.invoke('shop', 'missing')).rejects.toMatchObject({
      code: 'not-found',
      message: 'there is no such order',
      details: { reason: 'ORDER_UNKNOWN', metadata: { id: '7' } },
    });
    await expect(client.invoke('shop', 'nowhere')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is asked for its subscriptions and bindings, and gets their events', async () => {
    await client.publish('pubsub', 'placed', { n: 2 });
    await expect.poll(() => events, { timeout: 60_000 }).toEqual([{ n: 2 }]);
    await expect.poll(() => ticks[0], { timeout: 60_000 }).toBe('tick');
  });

  it("leaves the framework's own routes alone", async () => {
    expect(await (await fetch(`http://127.0.0.1:${hosted.port}/own`)).text()).toBe('of the framework');
  });
});
