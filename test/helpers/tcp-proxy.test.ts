import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';
import { waitFor } from './wait-for.ts';

/** Answers every line with `echo <line>`, and counts what reached it. */
class EchoServer {
  readonly seen: string[] = [];
  readonly #server: Server = createServer(socket => {
    socket.on('error', () => undefined);
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.seen.push(text.trim());
      socket.write(`echo ${text}`);
    });
  });

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
  }
}

class Client {
  received = '';
  error: NodeJS.ErrnoException | null = null;
  isClosed = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      this.received += text;
    });
    this.socket.on('error', error => {
      this.error = error;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  async ask(text: string): Promise<string> {
    const before = this.received.length;
    this.socket.write(`${text}\n`);
    const answered = () => this.received.slice(before).includes('\n') && this.received.slice(before);
    return (await waitFor(answered, { what: `an answer to ${text}` })).trim();
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed, { what: 'the connection to close' });
  }
}

describe('TcpProxy', () => {
  let server: EchoServer;
  let proxy: TcpProxy;

  beforeEach(async () => {
    server = new EchoServer();
    proxy = new TcpProxy();
    await server.start();
    await proxy.start({ target: server.port });
  });

  afterEach(async () => {
    await proxy.stop();
    server.stop();
  });

  it('passes bytes both ways and forgets closed connections', async () => {
    const client = new Client(proxy.port);
    expect(await client.ask('one')).toBe('echo one');
    expect(proxy.connections).toBe(1);
    client.socket.end();
    await client.closed();
    await waitFor(() => proxy.connections === 0, { what: 'no connection' });
    expect(client.error).toBeNull();
  });

  it('cut resets what is open and takes new connections', async () => {
    const client = new Client(proxy.port);
    await client.ask('one');
    proxy.cut();
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect(await new Client(proxy.port).ask('two')).toBe('echo two');
  });

  it('refuse turns clients away until heal, on the same port', async () => {
    const { port } = proxy;
    const open = new Client(port);
    await open.ask('one');
    await proxy.refuse();
    await open.closed();
    const refused = new Client(port);
    await refused.closed();
    expect(refused.error?.code).toBe('ECONNREFUSED');
    await proxy.heal();
    expect(proxy.port).toBe(port);
    expect(await new Client(port).ask('two')).toBe('echo two');
  });

  it('blackhole holds requests and replies, and heal lets them go on in order', async () => {
    const client = new Client(proxy.port);
    await client.ask('one');
    proxy.blackhole();
    client.socket.write('two\n');
    const late = new Client(proxy.port);
    await once(late.socket, 'connect');
    late.socket.write('three\n');
    await waitFor(() => proxy.connections === 2, { what: 'both connections' });
    // Had the held bytes passed, they would have reached the server before this exchange beside the proxy did.
    await new Client(server.port).ask('direct');
    expect(server.seen).toEqual(['one', 'direct']);
    await proxy.heal();
    await waitFor(() => server.seen.length === 4, { what: 'the held requests' });
    await waitFor(() => client.received === 'echo one\necho two\n', { what: 'the held reply' });
  });

  it('delay holds every reply back and keeps their order', async () => {
    const client = new Client(proxy.port);
    await client.ask('warm');
    proxy.delay(150);
    const start = performance.now();
    expect(await client.ask('one')).toBe('echo one');
    expect(performance.now() - start).toBeGreaterThanOrEqual(149);
    expect(await client.ask('two')).toBe('echo two');
    await proxy.heal();
  });

  it('dropReplies(n) lets the request through, swallows the reply and resets the connection', async () => {
    const client = new Client(proxy.port);
    await client.ask('one');
    proxy.dropReplies(1);
    client.socket.write('two\n');
    await client.closed();
    expect(client.error?.code).toBe('ECONNRESET');
    expect(client.received).toBe('echo one\n');
    expect(server.seen).toEqual(['one', 'two']);
    expect(proxy.dropped).toBe(1);
    expect(await new Client(proxy.port).ask('three')).toBe('echo three');
  });

  it('dropReplies(predicate) sees the request of that connection and drops only what it names', async () => {
    proxy.dropReplies(({ request }) => request.toString().includes('claim'));
    const [other, victim] = [new Client(proxy.port), new Client(proxy.port)];
    expect(await other.ask('gate')).toBe('echo gate');
    victim.socket.write('claim 7\n');
    await victim.closed();
    expect(victim.received).toBe('');
    expect(await other.ask('finish')).toBe('echo finish');
    expect(proxy.dropped).toBe(1);
    await proxy.heal();
    expect(await new Client(proxy.port).ask('claim 8')).toBe('echo claim 8');
  });
});
