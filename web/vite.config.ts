import { defineConfig } from "vite";

// Whatever a page needs comes from kedged itself; charts and the terminal are loaded with the first page that shows one.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: { target: "es2021", assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
});
