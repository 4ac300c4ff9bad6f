import { parseArgs } from 'node:util';
import { startWireServer } from './server.ts';

const USAGE = `usage: main.js --port N --data DIR [--host H] [--advertise H:P] [--hold-w1-ms N]

  --port N          port to listen on; 0 picks a free one
  --data DIR        folder of the journal; made if it is not there
  --host H          address to listen on (127.0.0.1; there is no authentication)
  --advertise H:P   how clients reach this server, if not by host and port
  --hold-w1-ms N    keep w:1 writes in memory for up to N ms (at most 100), as a real server's journal does`;

/** Documents are decoded from small buffers that die at once; larger slabs make them cheaper. */
Buffer.poolSize = 256 * 1024;

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const options = { port: text, data: text, host: text, advertise: text, 'hold-w1-ms': text };
  const { port = '', data: dataDir = '', 'hold-w1-ms': hold = '0', ...rest } = parseArgs({ options }).values;
  if (!/^\d+$/.test(port) || Number(port) > 65535) throw new Error('--port must be a number from 0 to 65535');
  if (!dataDir) throw new Error('--data is missing');
  if (!/^\d+$/.test(hold)) throw new Error('--hold-w1-ms must be a number');
  const server = await startWireServer({ port: Number(port), dataDir, holdW1Ms: Number(hold), ...rest });
  for (const signal of ['SIGTERM', 'SIGINT'])
    process.once(signal, () => void server.stop().then(() => process.exit(0)));
  process.stdout.write(`embedded ledger server ready on ${server.uri}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exit(1);
});
