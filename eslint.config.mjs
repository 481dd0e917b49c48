// For `make lint`: names that nobody declares, imports that nobody uses, code that is never reached.

const browser = [
  "document", "window", "location", "history", "console", "URL", "Blob", "Response", "ImageData",
  "Path2D", "DecompressionStream", "ResizeObserver", "IntersectionObserver", "setTimeout",
  "setInterval", "clearInterval", "clearTimeout", "queueMicrotask", "structuredClone", "matchMedia",
  "localStorage", "Worker", "WebAssembly", "TextDecoder", "Event", "self",
  "atob", "parent", "getComputedStyle", "performance", "getSelection", "navigator", "Image", "XMLSerializer",
];

export default [
  {
    files: ["cnnlib/book/widgets/scripts/*.js", "cnnlib/book/publish/live/scripts/*.js"],
    languageOptions: {
      ecmaVersion: 2024, sourceType: "module",
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    rules: {
      "no-undef": "error", "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", ignoreRestSiblings: true }],
      "no-unreachable": "error", "no-dupe-keys": "error", "no-self-assign": "error", "no-shadow": "off",
      semi: "error", eqeqeq: ["error", "always", { null: "ignore" }], "prefer-const": ["error", { destructuring: "all" }], "no-var": "error",
    },
  },
  { files: ["host", "embedding"].map((name) => `cnnlib/book/widgets/scripts/${name}.js`), languageOptions: { sourceType: "script" }, rules: { "no-unused-vars": "off" } },
];
