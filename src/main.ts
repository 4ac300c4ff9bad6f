import { JOB_HANDLERS } from './jobs/index.ts';
import { runProcess } from './run-process.ts';

await runProcess({ registry: JOB_HANDLERS, environment: process.env });
