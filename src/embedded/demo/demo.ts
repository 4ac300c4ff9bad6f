import { join } from 'node:path';
import { ApiClient } from './api-client.ts';
import { writeDemoFiles } from './demo-files.ts';
import { type DemoJob, demoJobs } from './demo-jobs.ts';
import type { DemoStack } from './demo-stack.ts';
import { JobFollower } from './job-follower.ts';
import { type Progress, ProgressScreen } from './progress-table.ts';

export interface DemoOutcome {
  /** Every job has ended as it should. */
  asExpected: boolean;
  /** Id of a job to look at. */
  exampleId: string | null;
}

const BULK_SIZE = 100;
const SUBMITS_IN_FLIGHT = 16;
const LONGEST_MS = 120_000;
const REFRESH_MS = 250;

/** Submits the demo's jobs over HTTP, half of them one by one, the rest in bulk, and follows them until all have ended. */
export async function runDemo(stack: DemoStack, out: NodeJS.WriteStream, redraws: boolean): Promise<DemoOutcome> {
  const folder = `demo-${Date.now().toString(36)}`;
  await writeDemoFiles(join(stack.filesFolder, folder));
  const jobs = demoJobs({ site: stack.siteUrl, folder });
  const api = new ApiClient(stack.apiUrl);
  const follower = new JobFollower(api);
  const screen = new ProgressScreen(out, redraws);
  const start = performance.now();
  out.write(`Submitting ${jobs.length} jobs of five types to ${stack.apiUrl}/v1/jobs\n\n`);
  const progress = (): Progress => ({
    rows: follower.rows(),
    workers: follower.workers(),
    seconds: (performance.now() - start) / 1_000,
  });
  const submitting = submitAll(api, jobs, follower, folder);
  await follow(follower, submitting, () => screen.show(progress()));
  screen.finish(progress());
  const surprises = follower.surprises();
  out.write(`\n${summary(progress(), stack.mailsReceived, surprises)}\n`);
  return { asExpected: surprises.length === 0, exampleId: follower.completed('email:send') };
}

async function submitAll(api: ApiClient, jobs: DemoJob[], follower: JobFollower, run: string): Promise<void> {
  const half = Math.ceil(jobs.length / 2);
  const singles = jobs.slice(0, half).entries();
  const lane = async () => {
    for (const [n, job] of singles) follower.add((await api.submit(job.submission, `${run}-${n}`)).id, job);
  };
  await Promise.all(Array.from({ length: SUBMITS_IN_FLIGHT }, lane));
  for (let from = half; from < jobs.length; from += BULK_SIZE) {
    const batch = jobs.slice(from, from + BULK_SIZE);
    const items = await api.submitBulk(batch.map(job => job.submission));
    for (const [n, job] of batch.entries()) follower.add(items[n]!.id, job);
  }
}

/** Returns when all jobs have been submitted and have ended, or when that takes too long. */
async function follow(follower: JobFollower, submitting: Promise<void>, show: () => void): Promise<void> {
  const end = performance.now() + LONGEST_MS;
  let isSubmitted = false;
  const submitted = submitting.then(() => {
    isSubmitted = true;
  });
  while (performance.now() < end) {
    await follower.refresh();
    if (isSubmitted && follower.open === 0) break;
    show();
    await Promise.race([new Promise(resolve => setTimeout(resolve, REFRESH_MS)), rejectionOf(submitted)]);
  }
  await submitted;
}

/** Settles only when `work` fails: a wait that it should interrupt goes on otherwise. */
function rejectionOf(work: Promise<void>): Promise<never> {
  return new Promise((_, reject) => work.catch(reject));
}

function summary({ rows, seconds }: Progress, mails: number, surprises: readonly string[]): string {
  const total = (column: 'jobs' | 'completed' | 'failed' | 'retried') =>
    rows.reduce((sum, row) => sum + row[column], 0);
  if (surprises.length > 0) {
    return `${surprises.length} of ${total('jobs')} jobs did not end as expected:\n${surprises.slice(0, 20).join('\n')}`;
  }
  return (
    `All ${total('jobs')} jobs ended as expected in ${seconds.toFixed(1)} s: ${total('completed')} completed, ` +
    `${total('failed')} failed on purpose, ${total('retried')} needed more than one attempt. ` +
    `The mail server took ${mails} mails.`
  );
}
