import react from "@vitejs/plugin-react";
import { VitePWA } from "vite-plugin-pwa";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    react(),
    VitePWA({
      // The page that is open stays what it is until its user reloads it: `src/offline.ts` tells of a new version.
      registerType: "prompt",
      injectRegister: null,
      workbox: {
        // The app itself and nothing else: answers of the API, and tokens, are never kept by the worker.
        globPatterns: ["**/*.{html,js,css,svg,png,webmanifest}"],
        navigateFallback: "/index.html",
        cleanupOutdatedCaches: true,
        inlineWorkboxRuntime: true,
        sourcemap: false,
      },
      includeAssets: [],
      manifest: {
        id: "/",
        name: "Recall",
        short_name: "Recall",
        description: "Keep your memories, find them again, and talk to models that remember them.",
        categories: ["productivity"],
        start_url: "/",
        scope: "/",
        display: "standalone",
        background_color: "#faf8f5",
        theme_color: "#4b3fb5",
        icons: [
          { src: "/icons/192.png", sizes: "192x192", type: "image/png" },
          { src: "/icons/512.png", sizes: "512x512", type: "image/png" },
          { src: "/icons/maskable-512.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
          { src: "/icon.svg", sizes: "any", type: "image/svg+xml" },
        ],
      },
    }),
  ],
  build: {
    // The Content-Security-Policy allows no inline scripts and no data: addresses for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What every visit needs comes in two files instead of twenty, which compress better: packages, which change
          // seldom, and the app's own.
          groups: [
            { name: "packages", tags: ["$initial"], test: /node_modules/, priority: 2 },
            { name: "first", tags: ["$initial"], priority: 1 },
          ],
        },
      },
    },
  },
  test: {
    environment: "jsdom",
    globals: true,
    setupFiles: ["src/testing/setup.ts"],
    restoreMocks: true,
    css: { modules: { classNameStrategy: "non-scoped" } },
    coverage: {
      include: ["src/**/*.{ts,tsx}"],
      exclude: ["src/api/schema.ts", "src/main.tsx", "src/testing/**", "src/**/*.test.{ts,tsx}"],
      thresholds: { lines: 90, branches: 90 },
    },
  },
});
