import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The web site that the demo's jobs call. `/shaky/…` answers 500 and `/busy/…` 503 to the first call of each path, `/broken/…`
 * always 500, everything else 200.
 */
export class DemoSite {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #called = new Set<string>();

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** `host:port` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const path = request.url ?? '/';
    response.statusCode = this.#statusOf(path);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<h1>${path.replace(/[^\w/]/g, '')}</h1>`);
  }

  #statusOf(path: string): number {
    if (path.startsWith('/broken/')) return 500;
    const isFirst = !this.#called.has(path);
    this.#called.add(path);
    if (isFirst && path.startsWith('/shaky/')) return 500;
    return isFirst && path.startsWith('/busy/') ? 503 : 200;
  }
}
