import { LedgerError } from '../../platform/errors.ts';
import type { DataDir } from './data-dir.ts';
import { findInPath } from './find-in-path.ts';
import { freePort } from './free-port.ts';
import type { ProcessGuard } from './process-guard.ts';
import { ServerProcess } from './server-process.ts';

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly process: ServerProcess;
  readonly binary: string;
}

export interface RedisServerOptions {
  guard: ProcessGuard;
  dataDir: DataDir;
  /** PATH to look in for `redis-server` or `valkey-server`. */
  path: string;
  /** A certain port, else a free one. */
  port?: number;
  /** Default true: the append-only file is written. */
  aof?: boolean;
}

const PORT_TRIES = 5;

/**
 * Starts a private Redis on loopback: `noeviction`, append-only file, data in the folder `redis`.
 * @throws LedgerError `no-redis` that says how to get one.
 */
export async function startRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const binary = await findInPath(['redis-server', 'valkey-server'], options.path);
  if (!binary) throw new LedgerError('no-redis', HOW_TO_GET_REDIS);
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      const process = await ServerProcess.start({
        name: `redis-${port}`,
        command: binary,
        args: redisArguments(port, options.dataDir.folder('redis'), options.aof ?? true),
        ready: /Ready to accept connections/i,
        guard: options.guard,
        dataDir: options.dataDir,
      });
      return { host: '127.0.0.1', port, process, binary };
    } catch (error) {
      // Somebody else may have taken the free port meanwhile.
      const lostPort = options.port === undefined && error instanceof Error && /in use|bind/i.test(error.message);
      if (!lostPort || attempt === PORT_TRIES) throw error;
    }
  }
}

function redisArguments(port: number, folder: string, aof: boolean): string[] {
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    appendonly: aof ? 'yes' : 'no',
    'maxmemory-policy': 'noeviction',
    save: '',
    daemonize: 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

const HOW_TO_GET_REDIS = `No Redis was found. Get one, or point QUEUE_REDIS_HOST and QUEUE_REDIS_PORT to yours:
  Debian, Ubuntu   sudo apt-get install redis-server
  macOS            brew install redis
  Docker           docker run -d -p 127.0.0.1:6379:6379 redis:7 --appendonly yes --maxmemory-policy noeviction`;
