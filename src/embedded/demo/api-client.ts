import type { JobSubmission } from '../../jobs/index.ts';
import { LedgerError } from '../../platform/errors.ts';

/** What the demo reads of a job. */
export interface JobView {
  id: string;
  type: string;
  status: 'pending' | 'queued' | 'processing' | 'completed' | 'failed' | 'cancelled';
  attempt: number;
  workerId: string | null;
  error: { name: string; message: string } | null;
}

/** The HTTP calls of the demo. @throws LedgerError `api-answered` for an answer that is no success */
export class ApiClient {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async submit(job: JobSubmission, idempotencyKey: string): Promise<{ id: string }> {
    return this.#call<{ id: string }>('/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify(job),
    });
  }

  /** All or none of them. */
  async submitBulk(jobs: readonly JobSubmission[]): Promise<{ id: string }[]> {
    const answer = await this.#call<{ items: { id: string }[] }>('/v1/jobs/bulk', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jobs }),
    });
    return answer.items;
  }

  job(id: string): Promise<JobView> {
    return this.#call<JobView>(`/v1/jobs/${id}`, {});
  }

  async #call<T>(path: string, init: RequestInit): Promise<T> {
    const response = await fetch(this.#base + path, { ...init, signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    if (!response.ok)
      throw new LedgerError('api-answered', `${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
}
