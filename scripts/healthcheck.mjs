// The image's HEALTHCHECK: exit 0 when the process of this container answers /health/live. Plain Node, because it runs
// every few seconds beside the process it asks.
import { get } from 'node:http';

const { WORKER_MODE = '', PORT = '3002', HEALTH_PORT = '3003' } = process.env;
const isWorker = /^(true|1|yes|on)$/i.test(WORKER_MODE.trim());
const port = Number(isWorker ? HEALTH_PORT : PORT);

const request = get({ host: '127.0.0.1', port, path: '/health/live', timeout: 2_500 }, response => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on('timeout', () => request.destroy(new Error('no answer')));
request.on('error', error => {
  process.stderr.write(`/health/live on port ${port}: ${error.message}\n`);
  process.exitCode = 1;
});
