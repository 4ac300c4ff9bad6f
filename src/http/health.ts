import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { ProblemError } from './problem.ts';
import { shareFor } from './share-for.ts';

/** Whether a process can work now. `reasons` says why not, in words without addresses, names of hosts or secrets. */
export interface HealthReport {
  ok: boolean;
  reasons: readonly string[];
}

const aliveSchema = z.object({
  status: z.literal('ok'),
  uptime: z.number().describe('Seconds since the process started'),
});

/** Checks are shared: the paths need no key, and many callers must not become many questions to the servers. */
const SHARED_MS = 250;

/** `/health` = `/health/ready` (deep) and `/health/live` (only that the process answers). */
export function serveHealth(app: FastifyInstance, check: () => Promise<HealthReport>): void {
  const shared = shareFor(SHARED_MS, check);
  for (const url of ['/health', '/health/ready']) {
    app.get(url, { config: { access: 'public' }, schema: documented('Ready to work', aliveSchema) }, async () => {
      const { ok, reasons } = await shared();
      if (!ok) throw new ProblemError('not-ready', reasons.join('; '), { extras: { reasons } });
      return { status: 'ok', uptime: uptimeS() };
    });
  }
  app.get('/health/live', { config: { access: 'public' }, schema: documented('Alive', aliveSchema) }, async () => ({
    status: 'ok',
    uptime: uptimeS(),
  }));
}

function documented(summary: string, answer: z.ZodType): object {
  return { tags: ['health'], summary, security: [], response: { 200: answer } };
}

function uptimeS(): number {
  return Math.round(process.uptime() * 10) / 10;
}
