import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "max-lines": ["error", 250],
      "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({
          property,
          message: "Use h() of dom.js: it inserts text as text.",
        })),
        ...["localStorage", "sessionStorage", "cookie"].map((property) => ({
          property,
          message: "The token is kept in memory only.",
        })),
      ],
      "no-restricted-globals": ["error", "localStorage", "sessionStorage"],
      "prefer-const": "error",
    },
  },
];
