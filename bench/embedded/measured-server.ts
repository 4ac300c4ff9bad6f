import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { mongo } from 'mongoose';
import { LEDGER_NODE_OPTIONS } from '../../src/embedded/servers/embedded-mongo.ts';
import type { ProcessGuard } from '../../src/embedded/servers/process-guard.ts';

const MAIN = fileURLToPath(new URL('../../src/embedded/wire-server/main.js', import.meta.url));

interface Status {
  extra_info: { user_time_us: number; system_time_us: number };
  mem: { resident: number };
}

/** The embedded ledger server in a process of its own, with a client that reads what it says of itself. */
export class MeasuredServer {
  readonly uri: string;
  /** From the start of the process until it listens. */
  readonly startMs: number;
  readonly client: mongo.MongoClient;
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  readonly #guard: ProcessGuard;

  private constructor(child: ChildProcess, uri: string, startMs: number, dataDir: string, guard: ProcessGuard) {
    this.#child = child;
    this.#guard = guard;
    this.#dataDir = dataDir;
    this.uri = uri;
    this.startMs = startMs;
    this.client = new mongo.MongoClient(uri);
  }

  /** @throws Error when it ends before it listens */
  static async start(dataDir: string, guard: ProcessGuard): Promise<MeasuredServer> {
    const begin = performance.now();
    const child = spawn(process.execPath, [...LEDGER_NODE_OPTIONS, MAIN, '--port', '0', '--data', dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    guard.watch(child.pid!, 0);
    const ended = once(child, 'exit').then(() => {
      throw new Error('the embedded server ended before it was ready');
    });
    const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [string];
    ended.catch(() => undefined);
    const [uri] = /mongodb:\S+/.exec(line)!;
    return new MeasuredServer(child, uri, performance.now() - begin, dataDir, guard);
  }

  /** User and system time of its process so far, microseconds. */
  async cpuUs(): Promise<number> {
    const { extra_info: spent } = await this.#status();
    return Number(spent.user_time_us) + Number(spent.system_time_us);
  }

  async residentMb(): Promise<number> {
    return (await this.#status()).mem.resident;
  }

  /** Bytes of its files whose names begin so. */
  bytesOf(prefix: 'journal' | 'snapshot'): number {
    const names = readdirSync(this.#dataDir).filter(name => name.startsWith(prefix));
    return names.reduce(
      (sum, name) => sum + (statSync(join(this.#dataDir, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  }

  async stop(): Promise<void> {
    await this.client.close();
    const gone = this.#child.exitCode === null ? once(this.#child, 'exit') : null;
    this.#child.kill('SIGTERM');
    await gone;
    this.#guard.forget(this.#child.pid!);
  }

  async #status(): Promise<Status> {
    return (await this.client.db('admin').command({ serverStatus: 1 })) as unknown as Status;
  }
}
