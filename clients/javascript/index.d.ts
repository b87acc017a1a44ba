import type { IncomingMessage, ServerResponse } from 'node:http';

export type Level = 'cs:clear' | 'cs:1' | 'cs:2' | 'cs:2p';
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A signed-in person. */
export interface Session {
  /** The account's mapped name. */
  readonly subject: string;
  readonly id: string;
  /** The level of the session without an elevation. */
  readonly level: Level;
  /** When a factor was proven last, in Unix seconds. */
  readonly authenticatedAt: number;
  /** The newest elevation, on or over. */
  readonly elevation: { readonly level: Level; readonly since: number; readonly until: number } | null;
  readonly methods: readonly string[];
  readonly groups: readonly string[];
  readonly purpose: string | null;
  readonly claims: { readonly [name: string]: Json };
  readonly expiresAt: number;
  levelAt(now: number): Level;
}

export type Request = IncomingMessage & { countersign?: Session };
export type Middleware = (request: any, response: ServerResponse, next: (error?: unknown) => void) => void;

export interface Requirement {
  elevated?: boolean;
  level?: Level;
  /** Seconds since the last proof, at most. */
  maxAge?: number;
  claims?: readonly (readonly [name: string, value: Json])[];
  groups?: readonly string[];
  /** 401 for RFC 9470 to the letter. */
  stepUpStatus?: 403 | 401;
}

export interface OwnerOptions extends Requirement {
  /** The answer to others: 404 by default. */
  otherwise?: 404 | 403;
  /** Names that may pass as well, compared exactly. */
  administrators?: readonly string[];
}

export interface Settings {
  /** The installation's `public_url`. */
  issuer: string;
  /** Whom tokens are for; the issuer by default. */
  audience?: string;
  /** Where Countersign is reached from here; the issuer by default. */
  url?: string;
  application: { name: string; secret: string };
  mode?: 'feed' | 'introspect';
  /** For installations that sign with HS256; no other algorithm is taken then. */
  sharedKey?: Uint8Array;
  /** The authorities to trust, in PEM; the machine's by default. */
  ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  stepUpStatus?: 403 | 401;
  stepUpUrl?: string;
  /** Told, for operators, why Countersign can't be asked. */
  report?: (message: string) => void;
  clock?: { unixSeconds(): number; elapsedMs(): number };
  timers?: { set(action: () => void, milliseconds: number): unknown; clear(timer: unknown): void };
  transport?: Transport;
}

export interface Transport {
  exchange(asked: {
    method: string; url: URL; headers: Record<string, string>; body?: string; bytesMax: number; timeoutMs: number;
  }): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; body: Uint8Array }>;
  stream(asked: {
    url: URL;
    headers: Record<string, string>;
    onAnswer(answer: { status: number; headers: Record<string, string | string[] | undefined> }): void;
    onText(text: string): void;
    onEnd(why: string): void;
  }): { close(): void };
  close(): void;
}

type Names<T> = (request: any, session: Session) => T | Promise<T>;

export class Guard {
  allowPublic(): Middleware;
  require(requirement?: Requirement): Middleware;
  requireSession(): Middleware;
  requireElevated(): Middleware;
  requireClaim(name: string, value?: Json): Middleware;
  requireElevatedClaim(name: string, value?: Json): Middleware;
  requireGroup(name: string): Middleware;
  requireFresh(seconds: number): Middleware;
  requireOwner(ownerOf: Names<string | null | undefined>, options?: OwnerOptions): Middleware;
  requireParticipant(participantsOf: Names<readonly string[]>, options?: OwnerOptions): Middleware;
  routes(application: any): Routes;
  close(): void;
}

type Add = (path: string | RegExp | readonly (string | RegExp)[], ...handlers: any[]) => Routes;

/** Adds routes that have a posture, and finds those that have none. */
export interface Routes {
  get: Add;
  head: Add;
  post: Add;
  put: Add;
  patch: Add;
  delete: Add;
  options: Add;
  all: Add;
  /** Throws where a route does not say who may pass. */
  check(): Routes;
  /** `check()`, and then the application's own `listen`. */
  listen(...where: any[]): any;
}

/** Thrown for a guard or a route that is set up wrongly. */
export class WrongSetting extends Error {}

export function guard(settings: Settings): Guard;
