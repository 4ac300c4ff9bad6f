import { readServerSettings } from '../../src/config/server-settings.ts';
import { startServers } from '../../src/embedded/servers/start-servers.ts';
import { createLogger } from '../../src/platform/logger.ts';

/** Starts servers in DATA_DIR and holds them until it is told to stop, or is killed. MODE is `demo` or `private`. */
const servers = await startServers({
  mode: process.env.MODE === 'demo' ? 'demo' : 'private',
  dataDir: process.env.DATA_DIR ?? '.data',
  config: readServerSettings(process.env),
  log: createLogger({ level: 'warn', name: 'hold-servers' }),
});
process.on('SIGTERM', () => {
  void servers.stop().then(() => process.exit(0));
});
process.stdout.write(`${JSON.stringify({ mongo: servers.mongo, redis: servers.redis, line: servers.describe() })}\n`);
