// Leaves `.br` and `.gz` beside each file of the build: the daemon sends what a browser takes, and
// compresses nothing itself. Says how large the whole is.
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const TEXT = /\.(html|js|css|svg|json|txt)$/;
// OPS-1: below it stays, compressed.
const BUDGET_BYTES = 250 * 1000;

const directory = process.env.TRUNKLINE_WEB_OUT ?? 'dist';
let total = 0;
for (const name of readdirSync(directory, { recursive: true })) {
  const path = join(directory, name);
  if (!TEXT.test(name) || !statSync(path).isFile()) continue;
  const bytes = readFileSync(path);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  const brotli = brotliCompressSync(bytes, options);
  const gzip = gzipSync(bytes, { level: 9 });
  writeFileSync(`${path}.br`, brotli);
  writeFileSync(`${path}.gz`, gzip);
  total += gzip.length;
  console.log(`${name}: ${bytes.length} bytes, gzip ${gzip.length}, brotli ${brotli.length}`);
}
console.log(`in all, gzip: ${total} bytes`);
if (total > BUDGET_BYTES) {
  console.error(`the console is larger than ${BUDGET_BYTES} bytes`);
  process.exit(1);
}
