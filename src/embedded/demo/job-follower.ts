import type { ApiClient, JobView } from './api-client.ts';
import type { DemoJob } from './demo-jobs.ts';

interface Followed {
  readonly id: string;
  readonly job: DemoJob;
  view: JobView | null;
}

/** Numbers of one type. */
export interface TypeRow {
  type: string;
  jobs: number;
  pending: number;
  processing: number;
  completed: number;
  failed: number;
  /** Ended after more than one attempt. */
  retried: number;
}

const IN_FLIGHT = 16;

/** Reads submitted jobs over HTTP until all of them have ended. */
export class JobFollower {
  readonly #api: ApiClient;
  readonly #followed: Followed[] = [];

  constructor(api: ApiClient) {
    this.#api = api;
  }

  add(id: string, job: DemoJob): void {
    this.#followed.push({ id, job, view: null });
  }

  get count(): number {
    return this.#followed.length;
  }

  get open(): number {
    return this.#followed.filter(isOpen).length;
  }

  /** Id of a job of this type that has completed, to show it. */
  completed(type: string): string | null {
    return this.#followed.find(({ view }) => view?.type === type && view.status === 'completed')?.id ?? null;
  }

  /** Reads every job that has not ended yet. */
  async refresh(): Promise<void> {
    const open = this.#followed.filter(isOpen).values();
    const lane = async () => {
      for (const entry of open) entry.view = await this.#api.job(entry.id);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  }

  rows(): TypeRow[] {
    const rows = new Map<string, TypeRow>();
    for (const { job, view } of this.#followed) {
      const { type } = job.submission;
      const row = rows.get(type) ?? { type, jobs: 0, pending: 0, processing: 0, completed: 0, failed: 0, retried: 0 };
      rows.set(type, row);
      row.jobs += 1;
      row[columnOf(view)] += 1;
      if (view && hasEnded(view) && view.attempt > 1) row.retried += 1;
    }
    return [...rows.values()].sort((a, b) => a.type.localeCompare(b.type));
  }

  /** Jobs that each worker finished. */
  workers(): number[] {
    const counts = new Map<string, number>();
    for (const { view } of this.#followed) {
      if (view?.workerId && hasEnded(view)) counts.set(view.workerId, (counts.get(view.workerId) ?? 0) + 1);
    }
    return [...counts.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([, count]) => count);
  }

  /** A line for each job that has not ended as it should. */
  surprises(): string[] {
    return this.#followed.flatMap(({ id, job, view }) => {
      if (view?.status === job.status && view.attempt === job.attempts) return [];
      const seen = view ? `${view.status} at attempt ${view.attempt}` : 'never read';
      const why = view?.error ? ` (${view.error.name}: ${view.error.message})` : '';
      return [`${job.submission.type} ${id}: expected ${job.status} at attempt ${job.attempts}, is ${seen}${why}`];
    });
  }
}

function isOpen({ view }: Followed): boolean {
  return view === null || !hasEnded(view);
}

function hasEnded({ status }: JobView): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

function columnOf(view: JobView | null): 'pending' | 'processing' | 'completed' | 'failed' {
  switch (view?.status) {
    case 'processing':
    case 'completed':
      return view.status;
    case 'failed':
    case 'cancelled':
      return 'failed';
    default:
      return 'pending';
  }
}
