/**
 * The guard as Express middleware, and routes of which none is open by oversight.
 *
 * Knows: requests, answers and Express's list of routes. Must never know: how a token is judged; that is `sessions`.
 */

import { nobody, notOwner, stepUp, undecidable, unprivileged, worthless } from './answers.js';
import { demandThat, requirementOf } from './requirement.js';
import { Undecidable } from './sessions.js';
import { Worthless } from './token.js';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options', 'all'];
const postures = new WeakSet();

/** Marks a middleware as one that says who may pass. */
function posture(middleware) {
  postures.add(middleware);
  return middleware;
}

/**
 * The token of a request: null where nobody signed in. Throws `Worthless` for a header that could be read in two ways.
 */
function tokenOf(request) {
  const headers = request.headersDistinct.authorization ?? [];
  if (headers.length > 1) throw new Worthless('two Authorization headers');
  const match = /^bearer(?: (.*))?$/is.exec(headers[0] ?? '');
  return match === null ? null : match[1] ?? '';
}

function send(response, { status, headers, body }) {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify(body));
}

/** The guard of one application. */
export class Guard {
  #sessions;
  #clock;
  #settings;
  #close;

  constructor({ sessions, clock, settings, close }) {
    this.#sessions = sessions;
    this.#clock = clock;
    this.#settings = settings;
    this.#close = close;
  }

  /** Says that a route is for everybody. */
  allowPublic() {
    return posture((request, response, next) => next());
  }

  /** Lets through whom all of a requirement is met by; the session is then in `request.countersign`. */
  require(asked = {}) {
    const requirement = requirementOf(asked, this.#settings);
    return this.#guarding(requirement, () => null);
  }

  requireSession() {
    return this.require();
  }

  requireElevated() {
    return this.require({ elevated: true });
  }

  requireClaim(name, value = true) {
    return this.require({ claims: [[name, value]] });
  }

  requireElevatedClaim(name, value = true) {
    return this.require({ elevated: true, claims: [[name, value]] });
  }

  requireGroup(name) {
    return this.require({ groups: [name] });
  }

  /** Asks for a code of at most so many seconds of age, elevated or not. */
  requireFresh(seconds) {
    demandThat(seconds !== undefined, 'requireFresh: how many seconds old a code may be');
    return this.require({ level: 'cs:2', maxAge: seconds });
  }

  /** Lets the owner through, whose name `ownerOf(request)` tells, and the administrators named. */
  requireOwner(ownerOf, options = {}) {
    return this.#requireOneOf(async (request, session) => [await ownerOf(request, session)], ownerOf, options);
  }

  /** Lets those through whose names `participantsOf(request)` lists, and the administrators named. */
  requireParticipant(participantsOf, options = {}) {
    return this.#requireOneOf(participantsOf, participantsOf, options);
  }

  #requireOneOf(namesOf, given, { otherwise = 404, administrators = [], ...asked }) {
    demandThat(typeof given === 'function', 'whose something is: a function of the request');
    demandThat(otherwise === 404 || otherwise === 403, 'otherwise: 404 or 403');
    demandThat(Array.isArray(administrators), 'administrators: a list of names');
    const requirement = requirementOf(asked, this.#settings);
    return this.#guarding(requirement, async (request, session) => {
      const names = await namesOf(request, session);
      const isOne = (list) => Array.isArray(list) && session.subject !== '' && list.includes(session.subject);
      return isOne(names) || isOne(administrators) ? null : notOwner(otherwise);
    });
  }

  #guarding(requirement, further) {
    return posture(async (request, response, next) => {
      let refusal;
      try {
        refusal = await this.#refusal(request, requirement, further);
      } catch (error) {
        next(error);
        return;
      }
      if (refusal === null) next();
      else send(response, refusal);
    });
  }

  /** The answer to whoever may not pass, or null. The order is the contract's. */
  async #refusal(request, requirement, further) {
    const session = await this.#session(request);
    if (session.status !== undefined) return session;
    const options = { stepUpStatus: requirement.stepUpStatus, stepUpUrl: this.#settings.stepUpUrl };
    const refusal = unprivileged(session, requirement)
      ?? await further(request, session)
      ?? stepUp(session, requirement.demand, this.#clock.unixSeconds(), options);
    if (refusal === null) request.countersign = session;
    return refusal;
  }

  /** The session, or the answer to whoever has none. */
  async #session(request) {
    try {
      const token = tokenOf(request);
      return token === null ? nobody() : await this.#sessions.find(token);
    } catch (error) {
      if (error instanceof Worthless) return worthless();
      if (error instanceof Undecidable) return undecidable();
      throw error;
    }
  }

  /** Express's application or router, of which every route has to begin with a posture of a guard. */
  routes(application) {
    return new Routes(application);
  }

  /** Ends the feed and lets go of all connections. */
  close() {
    this.#close();
  }
}

/** Adds routes that have a posture, and finds those that were added without. */
class Routes {
  #application;

  constructor(application) {
    this.#application = application;
    for (const method of METHODS) {
      this[method] = (path, ...handlers) => {
        checkRoute(`${method.toUpperCase()} ${path}`, handlers.flat(Infinity));
        application[method](path, ...handlers);
        return this;
      };
    }
  }

  /** Throws where any route, of routers within too, begins with something else. */
  check() {
    const router = this.#application.stack === undefined
      ? this.#application.router ?? this.#application._router
      : this.#application;
    checkStack(router?.stack ?? [], '');
    return this;
  }

  /** Checks all routes and listens. */
  listen(...where) {
    this.check();
    return this.#application.listen(...where);
  }
}

function checkRoute(name, handlers) {
  demandThat(
    postures.has(handlers[0]),
    `${name}: the route does not say who may pass; begin with requireSession(), requireElevated() or another of the `
    + 'guard\'s, or with allowPublic()',
  );
}

function checkStack(stack, within) {
  for (const layer of stack) {
    if (layer.route) {
      const steps = layer.route.stack;
      // One route may have handlers of several methods; those of no method are for all.
      for (const method of new Set(steps.map((step) => step.method))) {
        const handlers = steps.filter((step) => step.method === undefined || step.method === method);
        const name = `${(method ?? 'all').toUpperCase()} ${within}${layer.route.path}`;
        checkRoute(name, handlers.map(({ handle }) => handle));
      }
    } else if (Array.isArray(layer.handle?.stack)) {
      checkStack(layer.handle.stack, `${within}…`);
    }
  }
}
