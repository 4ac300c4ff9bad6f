import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { promisify } from 'node:util';
import { Connection } from './connection.ts';
import { Cursors } from './cursors.ts';
import { FailPoints } from './fail-points.ts';
import { lockFolder } from './folder-lock.ts';
import { SET_NAME, Topology } from './hello.ts';
import { Store } from './store.ts';
import { startTtl } from './ttl.ts';

export interface Services {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly failPoints: FailPoints;
  readonly topology: Topology;
  readonly connections: Set<Connection>;
  /** How often each command ran: a test or a benchmark can see from it what something costs. */
  readonly commandCounts: Map<string, { total: number; failed: number }>;
}

export interface WireServerOptions {
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  readonly port: number;
  readonly dataDir: string;
  /** host:port under which clients reach this server, if not host:port. */
  readonly advertise?: string;
  /** Up to so long w:1 writes are kept in memory only, and lost by a kill, as a real server's may be. */
  readonly holdW1Ms?: number;
  /** From this size on the journal is compacted when it is twice as long as the data. */
  readonly compactBytes?: number;
}

export interface WireServer {
  readonly port: number;
  readonly uri: string;
  stop(): Promise<void>;
}

/** Recovers the data and listens. Throws if another live server uses the folder. */
export async function startWireServer(options: WireServerOptions): Promise<WireServer> {
  const { dataDir, holdW1Ms = 0, compactBytes = 64 * 1024 * 1024 } = options;
  mkdirSync(dataDir, { recursive: true });
  const unlock = lockFolder(dataDir);
  try {
    const store = await Store.open(dataDir, Math.min(holdW1Ms, 100), compactBytes);
    return await listen(options, store, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function listen(options: WireServerOptions, store: Store, unlock: () => void): Promise<WireServer> {
  const { host = '127.0.0.1' } = options;
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const address = options.advertise ?? `${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
  const connections = new Set<Connection>();
  const services: Services = {
    store,
    cursors: new Cursors(),
    failPoints: new FailPoints(),
    topology: new Topology(address),
    connections,
    commandCounts: new Map(),
  };
  server.on('connection', socket => {
    const connection = new Connection(socket, services);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  });
  const ttl = startTtl(services);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= shutDown(server, services, ttl).finally(unlock);
    return stopping;
  };
  return { port, uri: `mongodb://${address}/?replicaSet=${SET_NAME}`, stop };
}

async function shutDown(server: Server, services: Services, ttl: NodeJS.Timeout): Promise<void> {
  clearInterval(ttl);
  const closed = promisify(server.close.bind(server))();
  services.cursors.close();
  // Whoever writes right now finishes first; its client sees the connection close, as at any stop.
  await services.store.enter();
  for (const { socket } of services.connections) socket.destroy();
  await services.store.close();
  await closed;
}
