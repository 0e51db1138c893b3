import js from "@eslint/js";

const BROWSER = [
  "AbortController", "AbortSignal", "Blob", "Event", "File", "FormData", "Image", "IntersectionObserver",
  "RadioNodeList", "ResizeObserver", "TextDecoderStream", "URL", "URLSearchParams", "addEventListener", "console",
  "crypto", "dispatchEvent", "document", "fetch", "getComputedStyle", "history", "localStorage", "location",
  "matchMedia", "navigator", "requestAnimationFrame", "setTimeout", "speechSynthesis",
  "SpeechSynthesisUtterance", "window",
];

export default [
  { ignores: [".venv/", "node_modules/", ".cache/", "dist/", "build/"] },
  js.configs.recommended,
  {
    rules: {
      "complexity": ["error", 14],
      "eqeqeq": "error",
      "max-len": ["error", 120],
      "max-lines": ["error", 250],
      "no-shadow": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      "semi": "error",
    },
  },
  {
    files: ["demo/static/**"],
    languageOptions: { globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])) },
    rules: {
      // Text only ever enters the page as text.
      "no-restricted-properties": ["error", { property: "innerHTML" }, { property: "outerHTML" }],
      "no-eval": "error",
    },
  },
  {
    files: ["tests/scripts/**"],
    languageOptions: { globals: { Blob: "readonly", URL: "readonly" } },
  },
];
