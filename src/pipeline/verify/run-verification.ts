import type { CheckSetting } from './check-setting.ts';
import { type Finding, Findings } from './findings.ts';
import type { EngineReport } from './stuck-look.ts';
import { Verification, type VerificationOptions } from './verification.ts';

export interface VerifyReport {
  /** MongoDB's clock, ISO 8601. */
  startedAt: string;
  durationMs: number;
  /** Jobs that the walk looked at; `whole`: all that there were when it began. */
  jobs: number;
  whole: boolean;
  /** Findings of all rules together. */
  drift: number;
  /** Every rule; `examples` are the first few findings. */
  rules: ReturnType<Findings['table']>;
  engine: EngineReport;
}

export interface RunOptions extends Omit<CheckSetting, 'findings'>, Pick<VerificationOptions, 'pageJobs' | 'range'> {
  /** The walk is no faster than this. */
  jobsPerSecond: number;
  /** Told of every finding; the report keeps a few of each rule. */
  onFinding?: (finding: Finding) => void;
  onProgress?: (progress: { jobs: number; drift: number }) => void;
}

/** One whole check at the pace given. @throws StorageUnavailableError or the driver's error when the ledger cannot be read. */
export async function runVerification(options: RunOptions): Promise<VerifyReport> {
  const { context, jobsPerSecond, onProgress, range } = options;
  const findings = new Findings(options.onFinding);
  const verification = new Verification({ ...options, findings });
  const startedAt = context.clock.now();
  const start = performance.now();
  const elapsedMs = (): number => performance.now() - start;
  for await (const { waitMs } of verification.steps()) {
    const { jobs } = verification.progress;
    onProgress?.({ jobs, drift: findings.total });
    const aheadMs = (jobs * 1_000) / jobsPerSecond - elapsedMs();
    await new Promise(resolve => setTimeout(resolve, Math.max(waitMs, aheadMs, 0)));
  }
  const { jobs } = verification.progress;
  return {
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(elapsedMs()),
    jobs,
    whole: range.below === null && range.from === null && jobs < range.most,
    drift: findings.total,
    rules: findings.table(),
    engine: verification.engine,
  };
}
