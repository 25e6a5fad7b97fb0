/**
 * Weighs what the first screen loads: `node tools/first-screen.ts FOLDER`, a folder that Vite built.
 *
 * Vite names in index.html all that is loaded at once: the entry, its static imports and their styles. The first screen
 * is one of those imports; what is loaded lazily is not counted. Kilobytes are 1,000 bytes, gzipped as CloudFront does.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MOST = { js: 150_000, css: 15_000 };

const folder = process.argv[2] ?? "dist";
const page = readFileSync(join(folder, "index.html"), "utf8");
const files = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((match) => match[1] ?? "");

for (const kind of ["js", "css"] as const) {
  const bytes = files
    .filter((file) => file.endsWith(`.${kind}`))
    .reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file))).byteLength, 0);
  const text = `${kind} of the first screen: ${(bytes / 1000).toFixed(1)} kB of ${MOST[kind] / 1000} kB`;
  if (bytes === 0 || bytes > MOST[kind]) {
    console.error(`${text}: load something lazily`);
    process.exitCode = 1;
  } else {
    console.log(text);
  }
}
