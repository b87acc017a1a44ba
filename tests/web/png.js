// Pictures made small: a page has few colours, so a palette holds them.
// Knows: PNG (RFC 2083) of 8 bits a channel, as browsers write it. Must never know: what a picture shows.

import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
const COLOURS_MAX = 256;

/// The same picture with a palette of its most frequent colours; each other one becomes the nearest of these.
export function shrink(png) {
  const { width, height, channels, rows } = read(png);
  const pixels = new Uint32Array(width * height);
  const counts = new Map();
  for (let at = 0; at < pixels.length; at += 1) {
    const from = at * channels;
    const colour = (rows[from] << 16) | (rows[from + 1] << 8) | rows[from + 2];
    pixels[at] = colour;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const frequent = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one));
  const palette = frequent.slice(0, COLOURS_MAX);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  for (const colour of frequent.slice(COLOURS_MAX)) places.set(colour, nearest(palette, colour));
  return write(width, height, pixels, palette, places);
}

function nearest(palette, colour) {
  const channels = (of) => [of >> 16, (of >> 8) & 255, of & 255];
  const wanted = channels(colour);
  const distance = (of) => channels(of).reduce((sum, channel, at) => sum + (channel - wanted[at]) ** 2, 0);
  let best = 0;
  palette.forEach((of, place) => { if (distance(of) < distance(palette[best])) best = place; });
  return best;
}

function read(png) {
  if (!png.subarray(0, 8).equals(SIGNATURE)) throw new Error("this is no PNG");
  const data = [];
  let header;
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const kind = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (kind === "IHDR") header = body;
    if (kind === "IDAT") data.push(body);
    at += length + 12;
  }
  const [depth, colours, , , interlaced] = header.subarray(8);
  const channels = { 2: 3, 6: 4 }[colours];
  if (depth !== 8 || channels === undefined || interlaced !== 0) throw new Error("no browser writes such a PNG");
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const rows = unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels);
  return { width, height, channels, rows };
}

/// Undoes the filters of the rows (RFC 2083 §6).
function unfilter(data, stride, height, step) {
  const rows = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const kind = data[y * (stride + 1)];
    const [from, to] = [y * (stride + 1) + 1, y * stride];
    for (let x = 0; x < stride; x += 1) {
      const left = x >= step ? rows[to + x - step] : 0;
      const up = y > 0 ? rows[to + x - stride] : 0;
      const corner = x >= step && y > 0 ? rows[to + x - stride - step] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][kind];
      rows[to + x] = data[from + x] + guess;
    }
  }
  return rows;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function write(width, height, pixels, palette, places) {
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      rows[y * (width + 1) + 1 + x] = places.get(pixels[y * width + x]);
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  const data = deflateSync(rows, { level: 9, memLevel: 9 });
  const chunks = [["IHDR", header], ["PLTE", colours], ["IDAT", data], ["IEND", Buffer.alloc(0)]];
  return Buffer.concat([SIGNATURE, ...chunks.map(([kind, body]) => chunk(kind, body))]);
}

function chunk(kind, body) {
  const named = Buffer.concat([Buffer.from(kind, "latin1"), body]);
  const framed = Buffer.alloc(named.length + 8);
  framed.writeUInt32BE(body.length, 0);
  named.copy(framed, 4);
  framed.writeUInt32BE(crc32(named), named.length + 4);
  return framed;
}
