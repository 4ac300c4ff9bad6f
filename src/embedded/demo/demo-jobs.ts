import type { JobSubmission } from '../../jobs/index.ts';

/** A job of the demo, and how it has to end. */
export interface DemoJob {
  submission: JobSubmission;
  status: 'completed' | 'failed';
  /** Attempts that it needs; a number above 1 is one that fails on purpose first. */
  attempts: number;
}

export interface DemoPlaces {
  /** Base URL of the demo's web site. */
  site: string;
  /** Folder with input files, relative to the tenant's; its name also tells this run's mails from an earlier one's. */
  folder: string;
}

const FIRST = { status: 'completed', attempts: 1 } as const;
const QUICK = { strategy: 'fixed', delayMs: 300 } as const;

/** A few hundred jobs of all five types. Those that fail do so for a real reason: a mail server that is busy, a file that is missing. */
export function demoJobs(places: DemoPlaces): DemoJob[] {
  const groups = [mails(places), notifications(places), exports(), files(places), caches(places)];
  return interleave(groups);
}

function mails({ folder }: DemoPlaces): DemoJob[] {
  const plain = times(60, n =>
    job('email:send', { to: `user${n}@example.com`, template: 'welcome', context: { name: `User ${n}` } }, n),
  );
  // Answered 451 at first, as a busy or greylisting mail server does.
  const busy = times(8, n =>
    job('email:send', { to: `busy${n}@${folder}.example.com`, body: 'Your invoice is ready.' }, n, {
      retry: { strategy: 'exponential', delayMs: 400 },
    }),
  );
  // Answered 550: no other attempt can help, so there is none.
  const unknown = times(3, n => job('email:send', { to: `unknown${n}@example.com`, body: 'Are you there?' }, n));
  return [
    ...plain.map(submission => ({ submission, ...FIRST })),
    ...busy.map((submission, n) => ({ submission, status: 'completed' as const, attempts: 2 + (n % 2) })),
    ...unknown.map(submission => ({ submission, status: 'failed' as const, attempts: 1 })),
  ];

  function job(
    type: 'email:send',
    payload: Omit<Extract<JobSubmission, { type: 'email:send' }>['payload'], 'subject'>,
    n: number,
    options: Pick<JobSubmission, 'retry'> = {},
  ): JobSubmission {
    return { type, payload: { subject: `Mail ${n}`, ...payload }, tags: ['demo'], ...options };
  }
}

function notifications({ site }: DemoPlaces): DemoJob[] {
  const inapp = times(80, n =>
    demo({
      type: 'user:notification',
      payload: { userId: `u${n}`, channel: 'inapp', title: 'Hello', body: `No. ${n}` },
    }),
  );
  const webhooks = times(10, n =>
    demo({
      type: 'user:notification',
      // The site answers every fifth one with 503 at first.
      payload: {
        userId: `u${n}`,
        channel: 'webhook',
        title: 'Paid',
        body: `Order ${n}`,
        data: { url: `${site}/${n % 5 === 0 ? 'busy' : 'hook'}/${n}` },
      },
      retry: QUICK,
    }),
  );
  return [
    ...inapp.map(submission => ({ submission, ...FIRST })),
    ...webhooks.map((submission, n) => ({ submission, ...FIRST, attempts: n % 5 === 0 ? 2 : 1 })),
  ];
}

function exports(): DemoJob[] {
  const given = times(30, n =>
    demo({
      type: 'data:export',
      payload: {
        format: n % 2 === 0 ? 'csv' : 'ndjson',
        rows: times(200, row => ({ id: row, name: `Customer ${row}`, total: row * 1.5 })),
      },
    }),
  );
  // Later, so that there are notifications to read: streamed out of MongoDB.
  const stored = demo({ type: 'data:export', payload: { collection: 'notifications', format: 'csv' }, delayMs: 3_000 });
  // Not on the allow-list.
  const refused = demo({ type: 'data:export', payload: { collection: 'customers', format: 'csv' } });
  return [
    ...[...given, stored].map(submission => ({ submission, ...FIRST })),
    { submission: refused, status: 'failed', attempts: 1 },
  ];
}

/** Inputs that `writeDemoFiles` makes. */
export const DEMO_TEXTS = 20;
export const DEMO_PICTURES = 10;

function files({ folder }: DemoPlaces): DemoJob[] {
  const sums = times(DEMO_TEXTS, n => demo({ type: 'file:process', payload: { path: `${folder}/text${n}.txt` } }));
  const gzips = times(DEMO_TEXTS, n =>
    demo({ type: 'file:process', payload: { path: `${folder}/text${n}.txt`, operation: 'gzip' } }),
  );
  const thumbnails = times(DEMO_PICTURES, n =>
    demo({ type: 'file:process', payload: { path: `${folder}/picture${n}.png`, operation: 'thumbnail', width: 128 } }),
  );
  const missing = times(2, n => demo({ type: 'file:process', payload: { path: `${folder}/missing${n}.txt` } }));
  return [
    ...[...sums, ...gzips, ...thumbnails].map(submission => ({ submission, ...FIRST })),
    ...missing.map(submission => ({ submission, status: 'failed' as const, attempts: 1 })),
  ];
}

function caches({ site }: DemoPlaces): DemoJob[] {
  const pages = times(30, n =>
    demo({ type: 'cache:warm', payload: { urls: [`${site}/page/${n}`, `${site}/page/${n}/about`], ttlSeconds: 60 } }),
  );
  const shaky = times(5, n =>
    demo({ type: 'cache:warm', payload: { urls: [`${site}/shaky/${n}`], ttlSeconds: 60 }, retry: QUICK }),
  );
  // Answers 500 for ever: three attempts, then it is a dead letter.
  const broken = times(3, n =>
    demo({ type: 'cache:warm', payload: { urls: [`${site}/broken/${n}`] }, maxRetries: 2, retry: QUICK }),
  );
  return [
    ...pages.map(submission => ({ submission, ...FIRST })),
    ...shaky.map(submission => ({ submission, ...FIRST, attempts: 2 })),
    ...broken.map(submission => ({ submission, status: 'failed' as const, attempts: 3 })),
  ];
}

function demo(submission: JobSubmission): JobSubmission {
  return { ...submission, tags: ['demo'] };
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

/** One of each group in turn, so that all types are under way from the start. */
function interleave<T>(groups: readonly (readonly T[])[]): T[] {
  const longest = Math.max(...groups.map(group => group.length));
  return times(longest, n => groups.flatMap(group => (n < group.length ? [group[n]!] : []))).flat();
}
