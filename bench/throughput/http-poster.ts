import { Agent, request } from 'node:http';

/** Posts JSON over connections that are kept open. */
export class HttpPoster {
  readonly #agent: Agent;
  readonly #port: number;
  readonly #authorization: string;

  constructor(port: number, key: string, connections: number) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#port = port;
    this.#authorization = `Bearer ${key}`;
  }

  /** @throws Error for any answer but 202 */
  post(path: string, body: unknown): Promise<void> {
    const text = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          method: 'POST',
          path,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(text),
            authorization: this.#authorization,
          },
        },
        response => {
          response.resume();
          response.on('end', () => {
            if (response.statusCode === 202) resolve();
            else reject(new Error(`POST ${path} answered ${response.statusCode}`));
          });
          response.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
