/**
 * Strict JSON (RFC 8259): no member twice, no lone surrogate, no number out of range, no great depth.
 *
 * Knows: the grammar. Must never know: what a value is for. JSON.parse would take the last of two members of one name,
 * where another reader takes the first; who checks and who uses a token would then read two different ones.
 */

/** Levels of nesting; tokens of this kind need a handful. */
const DEPTH_MAX = 64;

const BLANK = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// Every character but quotes, backslashes and control characters; and the escapes that JSON has.
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORDS = new Map([['true', true], ['false', false], ['null', null]]);

/** Thrown for what is no strict JSON. Says nothing of the text, which may be somebody's token. */
export class MalformedJson extends Error {
  constructor() {
    super('not strict JSON');
    this.name = 'MalformedJson';
  }
}

/**
 * A whole text's value. Objects have no prototype, so that a name like `constructor` is a member or nothing.
 *
 * `written` has the text of each member of the outermost object as it stands there, since 1 and 1.0 are one number.
 */
export function parse(text) {
  return new Parser(text).document();
}

/** The text that bytes are in UTF-8; a byte-order mark stays, and is no JSON then. */
export function utf8(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedJson();
  }
}

class Parser {
  #text;
  #at = 0;
  #written = new Map();

  constructor(text) {
    this.#text = text;
  }

  document() {
    this.#take(BLANK);
    const value = this.#value(1);
    this.#take(BLANK);
    if (this.#at !== this.#text.length) throw new MalformedJson();
    return { value, written: this.#written };
  }

  #value(depth) {
    if (depth > DEPTH_MAX) throw new MalformedJson();
    switch (this.#text[this.#at]) {
      case '{': return this.#object(depth);
      case '[': return this.#array(depth);
      case '"': return this.#string();
      case 't': case 'f': case 'n': return this.#word();
      default: return this.#number();
    }
  }

  #object(depth) {
    const members = Object.create(null);
    this.#sequence('}', () => {
      const name = this.#string();
      if (name in members) throw new MalformedJson();
      this.#take(BLANK);
      this.#expect(':');
      this.#take(BLANK);
      const from = this.#at;
      members[name] = this.#value(depth + 1);
      if (depth === 1) this.#written.set(name, this.#text.slice(from, this.#at));
    });
    return members;
  }

  #array(depth) {
    const items = [];
    this.#sequence(']', () => items.push(this.#value(depth + 1)));
    return items;
  }

  /** What stands between brackets, with commas between. */
  #sequence(end, item) {
    this.#at += 1;
    this.#take(BLANK);
    if (this.#text[this.#at] === end) {
      this.#at += 1;
      return;
    }
    for (;;) {
      item();
      this.#take(BLANK);
      if (this.#text[this.#at] === end) break;
      this.#expect(',');
      this.#take(BLANK);
    }
    this.#at += 1;
  }

  #string() {
    // The expression has let through what JSON.parse takes for a string, and nothing else.
    const value = JSON.parse(this.#take(TEXT));
    if (!value.isWellFormed()) throw new MalformedJson();
    return value;
  }

  #number() {
    const value = Number(this.#take(NUMBER));
    if (!Number.isFinite(value)) throw new MalformedJson();
    return value;
  }

  #word() {
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    throw new MalformedJson();
  }

  #expect(character) {
    if (this.#text[this.#at] !== character) throw new MalformedJson();
    this.#at += 1;
  }

  #take(expression) {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#text);
    if (match === null) throw new MalformedJson();
    this.#at = expression.lastIndex;
    return match[0];
  }
}
