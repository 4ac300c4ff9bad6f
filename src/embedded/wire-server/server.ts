import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Connection } from './connection.ts';
import { Cursors } from './cursors.ts';
import { FailPoints } from './fail-points.ts';
import { lockFolder } from './folder-lock.ts';
import { SET_NAME, Topology } from './hello.ts';
import { Metrics } from './metrics.ts';
import { Store } from './store.ts';
import { startTtl } from './ttl.ts';
import { newOid } from './writes.ts';

/** What the commands work with. */
export interface Services {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly failPoints: FailPoints;
  readonly topology: Topology;
  readonly metrics: Metrics;
  connectionCount(): number;
  stepDown(seconds: number): void;
  stepUp(): void;
}

export interface WireServerOptions {
  readonly host: string;
  /** 0 picks a free one. */
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
  mkdirSync(options.dataDir, { recursive: true });
  const unlock = lockFolder(options.dataDir);
  try {
    const store = new Store(
      options.dataDir,
      Math.min(options.holdW1Ms ?? 0, 100),
      options.compactBytes ?? 64 * 1024 * 1024,
    );
    return await listen(options, store, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

async function listen(options: WireServerOptions, store: Store, unlock: () => void): Promise<WireServer> {
  const connections = new Set<Connection>();
  let services: Services | undefined;
  let connectionIds = 0;
  const server = createServer(socket => {
    if (!services) return socket.destroy();
    const connection = new Connection(socket, services, ++connectionIds);
    connections.add(connection);
    connection.onClose.add(() => connections.delete(connection));
    return undefined;
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const address = options.advertise ?? `${options.host === '0.0.0.0' ? '127.0.0.1' : options.host}:${port}`;
  services = createServices(store, address, connections);
  const stopTtl = startTtl(services);
  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= shutDown(server, services as Services, connections, stopTtl, unlock));
  return { port, uri: `mongodb://${address}/?replicaSet=${SET_NAME}`, stop };
}

function createServices(store: Store, address: string, connections: Set<Connection>): Services {
  const topology = new Topology(address, newOid());
  let timer: NodeJS.Timeout | undefined;
  const stepUp = () => {
    clearTimeout(timer);
    topology.change(true);
  };
  return {
    store,
    cursors: new Cursors(),
    failPoints: new FailPoints(),
    topology,
    metrics: new Metrics(),
    connectionCount: () => connections.size,
    stepUp,
    stepDown(seconds) {
      topology.change(false);
      for (const transaction of store.openTransactions) store.endTransaction(transaction);
      timer = setTimeout(stepUp, seconds * 1000).unref();
    },
  };
}

async function shutDown(
  server: Server,
  services: Services,
  connections: Set<Connection>,
  stopTtl: () => void,
  unlock: () => void,
): Promise<void> {
  stopTtl();
  const closed = new Promise<void>(resolve => server.close(() => resolve()));
  services.cursors.close();
  // Whoever writes right now finishes first; its client sees the connection close, as at any stop.
  await services.store.enter();
  for (const connection of connections) connection.socket.destroy();
  await services.store.close();
  await closed;
  unlock();
}
