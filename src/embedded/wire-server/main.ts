import { parseArgs } from 'node:util';
import { startWireServer } from './server.ts';

const USAGE = `usage: main.js --port N --data DIR [--host H] [--advertise H:P] [--hold-w1-ms N]

  --port N          port to listen on; 0 picks a free one
  --data DIR        folder of the journal; made if it is not there
  --host H          address to listen on (127.0.0.1; there is no authentication)
  --advertise H:P   how clients reach this server, if not by host and port
  --hold-w1-ms N    keep w:1 writes in memory for up to N ms (at most 100), as a real server's journal does`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      data: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      advertise: { type: 'string' },
      'hold-w1-ms': { type: 'string', default: '0' },
    },
  });
  const port = Number(values.port);
  const holdW1Ms = Number(values['hold-w1-ms']);
  if (values.port === undefined || !Number.isInteger(port) || port < 0 || port > 65535)
    throw new Error('--port must be a number from 0 to 65535');
  if (values.data === undefined) throw new Error('--data is missing');
  if (!(holdW1Ms >= 0)) throw new Error('--hold-w1-ms must be a number');
  return {
    port,
    dataDir: values.data,
    host: values.host,
    holdW1Ms,
    ...(values.advertise !== undefined && { advertise: values.advertise }),
  };
}

/** Documents are decoded from small buffers that die at once; larger slabs make them cheaper. */
Buffer.poolSize = 256 * 1024;

async function main(): Promise<void> {
  const server = await startWireServer(readOptions());
  const stop = () => {
    void server.stop().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.stdout.write(`embedded ledger server ready on ${server.uri}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exit(1);
});
