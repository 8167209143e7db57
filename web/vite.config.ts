import { defineConfig } from 'vite';
import { thirdPartyLicences } from './scripts/licences.mjs';

// The daemon to talk to while developing: TRUNKLINE_API=http://127.0.0.1:8080 npm run dev
const api = process.env['TRUNKLINE_API'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [thirdPartyLicences()],
  build: {
    outDir: process.env['TRUNKLINE_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    // What has `light-dark()`, `:has()` and `<dialog>`.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    // The Content-Security-Policy has no `data:`: everything is a file.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': { target: api, ws: true } } },
  test: { include: ['unit/**/*.test.ts'], css: true },
} as Parameters<typeof defineConfig>[0]);
