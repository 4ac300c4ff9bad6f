/** Thrown by a handler that knows whether another attempt can help: `new TaskError('no such user', { retry: false })`. */
export class TaskError extends Error {
  readonly retry: boolean;

  constructor(message: string, options: ErrorOptions & { retry?: boolean } = {}) {
    super(message, options);
    this.name = 'TaskError';
    this.retry = options.retry ?? true;
  }
}
