import type { FastifyInstance } from 'fastify';
import { shareFor } from './share-for.ts';
import { noQuery } from './stats-route.ts';

/** Numbers of one name, as Prometheus knows them. Label values hold no ids: their number stays small. */
export interface MetricFamily {
  name: string;
  help: string;
  type: 'gauge' | 'counter';
  samples: readonly { labels?: Readonly<Record<string, string>>; value: number }[];
}

const SHARED_MS = 1_000;

/** `GET /metrics`, Prometheus text; for administrators, or for everybody where METRICS_AUTH is off. */
export function serveMetrics(app: FastifyInstance, needsKey: boolean, read: () => Promise<MetricFamily[]>): void {
  const shared = shareFor(SHARED_MS, read);
  app.get(
    '/metrics',
    {
      config: { access: needsKey ? 'admin' : 'public' },
      schema: { tags: ['operation'], summary: 'Numbers for Prometheus', querystring: noQuery },
    },
    async (_request, reply) => {
      const text = (await shared()).map(describeFamily).join('');
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
    },
  );
}

function describeFamily({ name, help, type, samples }: MetricFamily): string {
  const lines = samples.map(({ labels, value }) => `${name}${describeLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function describeLabels(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}
