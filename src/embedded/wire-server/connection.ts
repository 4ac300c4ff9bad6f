import { type EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { CommandError } from '../documents/errors.ts';
import { dispatch } from './dispatch.ts';
import { isHello, streamHello } from './hello.ts';
import type { Services } from './server.ts';
import { allowsExhaust, encodeReply, isSilent, MessageReader, parseMessage, type Request } from './wire.ts';

let connections = 0;

/** One client socket. Its commands run one after the other, as the protocol wants. */
export class Connection {
  readonly id = ++connections;
  readonly socket: Socket;
  readonly #services: Services;
  readonly #reader = new MessageReader();
  readonly #queue: Buffer[] = [];
  #running = false;
  /** As the client's handshake named it; fail points choose by it. */
  appName = '';

  constructor(socket: Socket, services: Services) {
    this.socket = socket;
    this.#services = services;
    socket.setNoDelay(true);
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', () => undefined);
  }

  get closed(): boolean {
    return this.socket.destroyed;
  }

  /** Until there are news, the time is over, or nobody waits any more. */
  async until(ms: number, news: EventEmitter): Promise<void> {
    const over = new AbortController();
    const { signal } = over;
    const waits = [once(news, 'change', { signal }), once(this.socket, 'close', { signal })];
    await Promise.race([...waits, setTimeout(ms, undefined, { signal })]).catch(() => undefined);
    over.abort();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#queue.push(...this.#reader.push(chunk));
    } catch {
      // The stream is out of step: there is no telling where the next message begins.
      this.socket.destroy();
    }
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let message = this.#queue.shift(); message && !this.closed; message = this.#queue.shift())
      try {
        await this.#answer(parseMessage(message));
      } catch (error) {
        if (!(error instanceof CommandError)) process.stderr.write(`connection ${this.id}: ${String(error)}\n`);
        this.socket.destroy();
      }
    this.#running = false;
  }

  async #answer(request: Request): Promise<void> {
    const reply = await dispatch(this.#services, this, request.body);
    if (!reply) this.socket.destroy();
    if (!reply || isSilent(request) || this.closed) return;
    const streams = allowsExhaust(request) && isHello(request.body) && request.body.has('topologyVersion');
    const { id, bytes } = encodeReply(request, reply, streams);
    this.socket.write(bytes);
    if (streams) await streamHello(this.#services, this, request, id);
  }
}
