/**
 * The feed of ended sessions, kept open as long as the application runs.
 *
 * Knows: server-sent events, silence, and how often a lost feed is opened again. Must never know: tokens. A feed that
 * opens anew begins with nothing known: `generation` tells that what was learned before no longer counts.
 */

/** A feed that was silent for longer says nothing any more. */
const SILENCE_MS_MAX = 1_000;
const OPENING_MS_MAX = 5_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;
const LINE_MAX = 4_096;
/** Ended sessions that are remembered. Beyond, the feed counts as opened at that moment. */
export const ENDED_MAX = 100_000;
const SESSION_ID = /^[0-9a-f]{64}$/;

/** The feed. */
export class Feed {
  #connection = null;
  #timer = null;
  #heardMs = -Infinity;
  #retryMs = RETRY_MS_MIN;
  #ended = new Set();
  #line = '';
  #event = '';
  #data = '';

  /** Counts how often it was opened. */
  generation = 0;
  /** When it was opened last, in Unix seconds. */
  openedAt = Infinity;
  #openedMs = Infinity;

  constructor({ url, authorization, transport, clock, timers, report }) {
    Object.assign(this, { url, authorization, transport, clock, timers, report });
  }

  /** Whether it speaks for the sessions that end. */
  isHeard() {
    return this.clock.elapsedMs() - this.#heardMs <= SILENCE_MS_MAX;
  }

  /** Whether it named a session. */
  hasEnded(id) {
    return this.#ended.has(id);
  }

  open() {
    this.#line = this.#event = this.#data = '';
    let isOpened = false;
    this.#connection = this.transport.stream({
      url: this.url,
      headers: { authorization: this.authorization, accept: 'text/event-stream' },
      onAnswer: ({ status, headers }) => {
        isOpened = status === 200 && /^text\/event-stream(?:;|$)/i.test(headers['content-type'] ?? '');
        if (!isOpened) this.#lose(`answered ${status}`);
        else this.#begin();
      },
      onText: (text) => isOpened && this.#read(text),
      onEnd: (why) => this.#lose(why),
    });
    this.#await(OPENING_MS_MAX);
  }

  close() {
    this.#heardMs = -Infinity;
    this.timers.clear(this.#timer);
    this.#connection?.close();
    this.#connection = null;
  }

  /** Whether it was opened longer ago than an answer of Countersign can be old. */
  isSettled() {
    return this.clock.elapsedMs() - this.#openedMs > SILENCE_MS_MAX;
  }

  #begin() {
    this.generation += 1;
    this.openedAt = this.clock.unixSeconds();
    this.#openedMs = this.clock.elapsedMs();
    this.#ended.clear();
  }

  #await(milliseconds) {
    this.timers.clear(this.#timer);
    this.#timer = this.timers.set(() => this.#lose('silent'), milliseconds);
  }

  /** Gives the connection up and opens another after a while. */
  #lose(why) {
    this.close();
    this.report(`revocation feed: ${why}`);
    this.#timer = this.timers.set(() => this.open(), this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
  }

  #read(text) {
    const lines = (this.#line + text).split('\n');
    this.#line = lines.pop();
    for (const line of lines) {
      if (!this.#take(line.replace(/\r$/, ''))) {
        this.#lose('said what Countersign does not say');
        return;
      }
    }
    if (this.#line.length > LINE_MAX) this.#lose('a line without end');
  }

  /** Takes one line; false where it is none of ours. */
  #take(line) {
    this.#heardMs = this.clock.elapsedMs();
    this.#retryMs = RETRY_MS_MIN;
    this.#await(SILENCE_MS_MAX);
    if (line.startsWith('event:')) this.#event = line.slice('event:'.length).trim();
    if (line.startsWith('data:')) this.#data = line.slice('data:'.length).trim();
    if (line !== '') return true;
    const isEnd = this.#event === 'ended';
    const id = this.#data;
    this.#event = this.#data = '';
    return !isEnd || this.#end(id);
  }

  #end(id) {
    if (!SESSION_ID.test(id)) return false;
    if (this.#ended.size >= ENDED_MAX) this.#begin();
    this.#ended.add(id);
    return true;
  }
}
