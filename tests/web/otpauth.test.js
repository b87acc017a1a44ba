// The otpauth URIs that we emit, read by a parser of others.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { HOTP, URI } from "otpauth";

const vectors = JSON.parse(readFileSync(new URL("../../vectors/otp/otpauth.json", import.meta.url)));

test("every URI that we emit is read as what it was made of", () => {
  // A counter beyond 2^53 is no number of this language.
  const emitted = vectors.cases.filter(({ canonical, expected }) =>
    canonical && !(Number(expected.counter) > Number.MAX_SAFE_INTEGER));
  assert.ok(emitted.length >= 5);
  for (const { canonical, expected } of emitted) {
    const read = URI.parse(canonical);
    const isCounted = read instanceof HOTP;
    assert.deepEqual({
      kind: isCounted ? "hotp" : "totp",
      issuer: read.issuer,
      account: read.label,
      secret: read.secret.base32,
      algorithm: read.algorithm,
      digits: read.digits,
      ...(isCounted ? { counter: String(read.counter) } : { period: read.period }),
    }, expected, canonical);
  }
});
