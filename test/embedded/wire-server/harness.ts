import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import mongoose from 'mongoose';
import { startWireServer, type WireServer, type WireServerOptions } from '../../../src/embedded/wire-server/server.ts';
import { builtPath } from '../../helpers/build.ts';
import { atEnd } from '../../helpers/fixtures.ts';

const { BSON, MongoClient } = mongoose.mongo;
export type Client = InstanceType<typeof MongoClient>;
export type Db = ReturnType<Client['db']>;

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wire-server-'));
  atEnd(async () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function startHere(options: Partial<WireServerOptions> = {}): Promise<WireServer> {
  const server = await startWireServer({
    host: '127.0.0.1',
    port: 0,
    dataDir: options.dataDir ?? scratch(),
    ...options,
  });
  atEnd(() => server.stop());
  return server;
}

export async function connect(uri: string, options: { retryWrites?: boolean } = {}): Promise<Client> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5000, ...options });
  await client.connect();
  atEnd(() => client.close());
  return client;
}

/** A server in this process with a client and an empty database. */
export async function serverHere(
  options: Partial<WireServerOptions> = {},
): Promise<{ server: WireServer; client: Client; db: Db }> {
  const server = await startHere(options);
  const client = await connect(server.uri);
  return { server, client, db: client.db('test') };
}

export interface ServerProcess {
  readonly uri: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** Ends it with a signal and waits until it is gone; its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** A server in a process of its own, ready when this resolves. */
export async function spawnServer(dataDir: string, port = 0, ...more: string[]): Promise<ServerProcess> {
  const main = builtPath('src/embedded/wire-server/main.js');
  const child = spawn(process.execPath, [main, '--port', String(port), '--data', dataDir, ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'exit');
  atEnd(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const uri = await Promise.race([
    ready(child),
    gone.then(() => {
      throw new Error(`the server ended: ${errors}`);
    }),
  ]);
  return {
    uri,
    port: Number(new URL(uri.replace('mongodb:', 'http:')).port),
    child,
    async end(signal) {
      child.kill(signal);
      await gone;
      return child.exitCode;
    },
  };
}

async function ready(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const uri = /ready on (mongodb:\S+)/.exec(line)?.[1];
    if (uri) return uri;
  }
  // It is ending: how it ended says why.
  return new Promise(() => undefined);
}

/** A bare socket, for bytes that no driver would send. */
export async function socketTo(port: number): Promise<Socket> {
  const socket = connectSocket(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  atEnd(async () => void socket.destroy());
  return socket;
}

/** A message as it goes over the wire. */
export function message(opcode: number, payload: Buffer, size = 16 + payload.length): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(size, 0);
  header.writeInt32LE(1, 4);
  header.writeInt32LE(opcode, 12);
  return Buffer.concat([header, payload]);
}

export const flags = (value: number): Buffer => Buffer.from([value & 255, (value >> 8) & 255, 0, 0]);
export const body = (document: object): Buffer => Buffer.concat([Buffer.from([0]), BSON.serialize(document)]);

/** Sends commands as they are: the driver would put its own session in. */
export async function rawClient(port: number): Promise<(command: object) => Promise<Record<string, unknown>>> {
  const socket = await socketTo(port);
  return async command => {
    socket.write(message(2013, Buffer.concat([flags(0), body({ ...command, $db: 'test' })])));
    const [reply] = (await once(socket, 'data')) as [Buffer];
    return BSON.deserialize(reply.subarray(21));
  };
}

/** The error that a promise is rejected with; fails if it is not. */
export async function errorOf(
  promise: Promise<unknown>,
): Promise<{ code?: number; codeName?: string; message: string; [key: string]: unknown }> {
  try {
    await promise;
  } catch (error) {
    return error as { message: string };
  }
  throw new Error('expected an error');
}
