import { fileURLToPath } from 'node:url';
import type { DataDir } from './data-dir.ts';
import { freePort } from './free-port.ts';
import type { MongoServer } from './mongod-server.ts';
import type { ProcessGuard } from './process-guard.ts';
import { ServerProcess } from './server-process.ts';

const PORT_TRIES = 5;

/** Documents and keys live long: with the small nursery of Node they are copied again and again. */
export const LEDGER_NODE_OPTIONS = ['--max-semi-space-size=64'] as const;

/** Starts the embedded ledger server as a child process, data in the folder `embedded-mongo`. Runs from compiled code only. */
export async function startEmbeddedMongo(options: {
  guard: ProcessGuard;
  dataDir: DataDir;
  port?: number;
  /** More arguments for the server. */
  args?: readonly string[];
}): Promise<MongoServer> {
  const entry = fileURLToPath(new URL('../wire-server/main.js', import.meta.url));
  const folder = options.dataDir.folder('embedded-mongo');
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      const server = await ServerProcess.start({
        name: `embedded-mongo-${port}`,
        command: process.execPath,
        args: [...LEDGER_NODE_OPTIONS, entry, '--port', String(port), '--data', folder, ...(options.args ?? [])],
        // A long journal is replayed first.
        readyTimeoutMs: 120_000,
        ready: /\bready\b.*mongodb:\/\//i,
        guard: options.guard,
        dataDir: options.dataDir,
      });
      const uri = server.readyLine.match(/mongodb:\/\/\S+/)?.[0] ?? `mongodb://127.0.0.1:${port}/`;
      return { uri, port, pid: server.pid, kill: name => server.kill(name), stop: () => server.stop() };
    } catch (error) {
      const lostPort = options.port === undefined && error instanceof Error && error.message.includes('EADDRINUSE');
      if (!lostPort || attempt === PORT_TRIES) throw error;
    }
  }
}
