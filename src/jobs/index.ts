import { cacheWarm } from './cache-warm.ts';
import { dataExport } from './data-export.ts';
import { createRegistry, type PayloadOf, type Submission } from './define-job.ts';
import { emailSend } from './email-send.ts';
import { fileProcess } from './file-process.ts';
import { userNotification } from './user-notification.ts';

/** Every job type that LedgerMQ brings. A new one is a file beside this and a line here. */
export const JOB_HANDLERS = createRegistry([emailSend, userNotification, dataExport, fileProcess, cacheWarm]);

/** A job that can be submitted: the compiler checks the payload against its type. */
export type JobSubmission = Submission<typeof JOB_HANDLERS>;

/** The payload of one of the built-in types. */
export type JobPayload<Type extends JobSubmission['type']> = PayloadOf<typeof JOB_HANDLERS, Type>;
