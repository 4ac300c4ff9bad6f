import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What went over one connection since its last reply: the bytes of the client, and the first bytes of the answer. */
export interface Exchange {
  request: Buffer;
  reply: Buffer;
}

const REQUEST_LIMIT_BYTES = 1_048_576;

/**
 * A TCP proxy on loopback that fails on purpose. Faults stay until `heal()`; several may hold at once. `cut` happens once.
 */
export class TcpProxy {
  readonly #links = new Set<Link>();
  readonly #faults: Faults = { blackhole: false, delayMs: 0, dropReply: null };
  #target: { host: string; port: number } | null = null;
  #server: Server | null = null;
  #port = 0;
  #dropped = 0;

  /** Listens on a free port, or on `port`. */
  async start({
    target,
    port = 0,
  }: {
    target: { host?: string; port: number } | number;
    port?: number;
  }): Promise<void> {
    const { host = '127.0.0.1', port: targetPort } = typeof target === 'number' ? { port: target } : target;
    this.#target = { host, port: targetPort };
    await this.#listen(port);
  }

  get port(): number {
    return this.#port;
  }

  /** Open connections. */
  get connections(): number {
    return this.#links.size;
  }

  /** Replies that were dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Resets every open connection once; new ones go through. */
  cut(): void {
    for (const link of this.#links) link.destroy();
  }

  /** Resets every connection and listens no more: who connects gets ECONNREFUSED. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.cut();
    await closed;
  }

  /** Connections stay open and new ones are accepted, but no byte passes either way; `heal()` lets the held ones go on. */
  blackhole(): void {
    this.#faults.blackhole = true;
    this.#pump();
  }

  /** Holds every reply back for `ms`, in order. */
  delay(ms: number): void {
    this.#faults.delayMs = ms;
  }

  /**
   * Lost replies: the request reaches the server, its reply does not reach the client, whose connection is reset then. A
   * number drops so many of the next replies; a predicate is asked at each until `heal()`.
   */
  dropReplies(which: number | ((exchange: Exchange) => boolean)): void {
    let left = typeof which === 'number' ? which : 0;
    const matches = typeof which === 'function' ? which : () => left-- > 0;
    this.#faults.dropReply = exchange => {
      const drop = matches(exchange);
      if (drop) this.#dropped += 1;
      return drop;
    };
  }

  /** Ends every fault and listens again if it had stopped. */
  async heal(): Promise<void> {
    this.#faults.blackhole = false;
    this.#faults.delayMs = 0;
    this.#faults.dropReply = null;
    this.#pump();
    if (!this.#server) await this.#listen(this.#port);
  }

  async stop(): Promise<void> {
    await this.refuse();
    this.cut();
  }

  async #listen(port: number): Promise<void> {
    // Half-open is allowed: an end of one direction is passed on and leaves the other alone.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#accept(client));
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #accept(client: Socket): void {
    const server = connect({ ...this.#target!, allowHalfOpen: true, noDelay: true });
    const link = new Link(client, server, this.#faults, () => this.#links.delete(link));
    this.#links.add(link);
  }

  #pump(): void {
    for (const link of this.#links) link.pump();
  }
}

interface Faults {
  blackhole: boolean;
  delayMs: number;
  dropReply: ((exchange: Exchange) => boolean) | null;
}

/** One client's connection and its counterpart to the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #faults: Faults;
  readonly #toServer: Lane;
  readonly #toClient: Lane;
  #request: Buffer[] = [];
  #requestBytes = 0;

  constructor(client: Socket, server: Socket, faults: Faults, onGone: () => void) {
    this.#client = client;
    this.#server = server;
    this.#faults = faults;
    this.#toServer = new Lane(server, () => faults.blackhole);
    this.#toClient = new Lane(client, () => faults.blackhole);
    client.on('data', chunk => this.#fromClient(chunk));
    server.on('data', chunk => this.#fromServer(chunk));
    client.on('end', () => this.#toServer.push(null, 0));
    server.on('end', () => this.#toClient.push(null, faults.delayMs));
    for (const socket of [client, server]) {
      socket.on('error', () => this.destroy());
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) onGone();
      });
    }
  }

  destroy(): void {
    this.#toServer.drop();
    this.#toClient.drop();
    for (const socket of [this.#client, this.#server]) if (!socket.destroyed) socket.resetAndDestroy();
  }

  pump(): void {
    this.#toServer.pump();
    this.#toClient.pump();
  }

  #fromClient(chunk: Buffer): void {
    if (this.#requestBytes < REQUEST_LIMIT_BYTES) {
      this.#request.push(chunk);
      this.#requestBytes += chunk.length;
    }
    this.#toServer.push(chunk, 0);
  }

  #fromServer(chunk: Buffer): void {
    const { dropReply, delayMs } = this.#faults;
    if (dropReply && this.#requestBytes > 0) {
      if (dropReply({ request: Buffer.concat(this.#request), reply: chunk })) {
        this.destroy();
        return;
      }
    }
    this.#request = [];
    this.#requestBytes = 0;
    this.#toClient.push(chunk, delayMs);
  }
}

/** One direction: chunks go on in order, each no earlier than it is due, and none while the lane is blocked. */
class Lane {
  readonly #out: Socket;
  readonly #isBlocked: () => boolean;
  #queue: { chunk: Buffer | null; dueAt: number }[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(out: Socket, isBlocked: () => boolean) {
    this.#out = out;
    this.#isBlocked = isBlocked;
  }

  /** null ends the direction. */
  push(chunk: Buffer | null, delayMs: number): void {
    this.#queue.push({ chunk, dueAt: performance.now() + delayMs });
    this.pump();
  }

  drop(): void {
    this.#queue = [];
    if (this.#timer) clearTimeout(this.#timer);
  }

  pump(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    while (this.#queue.length > 0 && !this.#isBlocked()) {
      const waitMs = this.#queue[0]!.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), Math.ceil(waitMs));
        return;
      }
      const { chunk } = this.#queue.shift()!;
      if (this.#out.destroyed) continue;
      if (chunk === null) this.#out.end();
      else this.#out.write(chunk);
    }
  }
}
