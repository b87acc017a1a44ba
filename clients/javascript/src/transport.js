/**
 * How Countersign is reached: HTTPS with the authorities that are trusted, and plain HTTP on this machine alone.
 *
 * Knows: sockets, limits and the time one exchange may take. Must never know: what is asked. No redirect is followed,
 * because credentials go along. Tests and other networks put something with the same two methods in its place.
 */

import http from 'node:http';
import https from 'node:https';

const SOCKETS_MAX = 16;

/** Thrown where no whole answer came. */
export class NoAnswer extends Error {
  constructor(why) {
    super(why);
    this.name = 'NoAnswer';
  }
}

/** Whether a host is this machine by its spelling alone. */
export function isLoopback(host) {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** The way to one server. */
export class Transport {
  #client;
  #options;
  #agent;

  constructor(url, ca) {
    const isSecure = url.protocol === 'https:';
    this.#client = isSecure ? https : http;
    this.#options = isSecure && ca !== undefined ? { ca } : {};
    this.#agent = new this.#client.Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, ...this.#options });
  }

  /** One exchange: `{status, headers, body}`, or `NoAnswer`. */
  async exchange(asked) {
    try {
      return await this.#exchange(asked);
    } catch (error) {
      // A kept connection may be closed by the other side in the very moment it is used again.
      if (error.isStale !== true) throw error;
      return this.#exchange(asked);
    }
  }

  #exchange({ method, url, headers, body, bytesMax, timeoutMs }) {
    return new Promise((resolve, reject) => {
      const fail = (error) => {
        const failure = error instanceof NoAnswer ? error : new NoAnswer(error.code ?? error.name);
        failure.isStale = request.reusedSocket && error.code === 'ECONNRESET';
        reject(failure);
      };
      const signal = AbortSignal.timeout(timeoutMs);
      const request = this.#client.request(url, { method, headers, agent: this.#agent, signal }, (response) => {
        const pieces = [];
        let length = 0;
        response.on('data', (piece) => {
          length += piece.length;
          if (length > bytesMax) request.destroy(new NoAnswer(`an answer of more than ${bytesMax} bytes`));
          else pieces.push(piece);
        });
        response.on('end', () => resolve({
          status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces),
        }));
        response.on('error', fail);
      });
      request.on('error', fail);
      request.end(body);
    });
  }

  /** An answer without end, over a connection of its own. `onEnd` is called once, whatever ends it. */
  stream({ url, headers, onAnswer, onText, onEnd }) {
    let isOver = false;
    const end = (why) => {
      if (isOver) return;
      isOver = true;
      onEnd(why);
    };
    const request = this.#client.get(url, { headers, agent: false, ...this.#options }, (response) => {
      response.setEncoding('latin1');
      onAnswer({ status: response.statusCode, headers: response.headers });
      response.on('data', onText);
      response.on('close', () => end('closed'));
    });
    request.on('error', (error) => end(error.code ?? error.name));
    return {
      close() {
        isOver = true;
        request.destroy();
      },
    };
  }

  close() {
    this.#agent.destroy();
  }
}
