import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll } from 'vitest';

export interface WebServer {
  readonly port: number;
  /** `127.0.0.1:port`, for an allow-list. */
  readonly host: string;
  /** Connections made to it so far. */
  readonly connections: () => number;
  url(path: string): string;
}

/** A real HTTP server on loopback for one test file. */
export async function useWebServer(listener: http.RequestListener): Promise<WebServer> {
  const server = http.createServer(listener);
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });
  return {
    port,
    host: `127.0.0.1:${port}`,
    connections: () => connections,
    url: path => `http://127.0.0.1:${port}${path}`,
  };
}
