import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const ASSETS = new URL("../../lmcache_internal/ui/assets/", import.meta.url);
const FILES = readdirSync(ASSETS, { recursive: true }).map(String);
const PAGES = ["index.html", "fleet/index.html"];

/** What the parts of a class that are computed may be. */
const COMPUTED = {
  number: [0, 1, 2, 3, 4, 5, 6, 7, 8],
  "depth % 3": [0, 1, 2],
  "stateOf(row)": ["ok", "warning", "failing", "unknown", "down"],
  "found.severity": ["error", "warning", "notice"],
};
/** Classes without a rule: they need none, because the element looks right without one. */
const UNSTYLED = ["failing", "down"];

const textOf = (name) => readFileSync(new URL(name, ASSETS), "utf8");
const named = (suffix) => FILES.filter((name) => name.endsWith(suffix));
const all = (suffix) => named(suffix).map(textOf).join("\n");
const matches = (text, pattern) => [...text.matchAll(pattern)].map((found) => found[1]);

/** The rules of all stylesheets: their selectors, without comments and the content of the rules. */
function selectors() {
  const css = all(".css").replace(/\/\*[^]*?\*\//g, "");
  return matches(css, /([^{}]+)\{/g).filter((text) => !text.trim().startsWith("@"));
}

/** The classes in an expression of JavaScript: those of its texts, and those that are computed. */
function classesIn(expression) {
  const texts = matches(expression, /["`]([^"`]*)["`]/g);
  return texts.flatMap((text) => {
    const [, computed] = text.match(/\$\{([^}]*)\}/) ?? [];
    if (computed === undefined) return text.split(" ");
    assert.ok(computed in COMPUTED, `the values of \${${computed}} are not known`);
    return COMPUTED[computed].flatMap((value) => text.replace(/\$\{[^}]*\}/, value).split(" "));
  });
}

function usedClasses() {
  const scripts = all(".js");
  const expressions = [
    ...matches(scripts, /\bclass: ((?:`[^`]*`|"[^"]*"|[^,{}`"])*)/g),
    ...matches(scripts, /\.className = ([^;]*);/g),
    ...matches(scripts, /classList\.toggle\(("[^"]*")/g),
    ...matches(scripts, /const kinds = ([^;]*);/g),
    ...matches(scripts, /vertical\(("[^"]*")/g),
    ...matches(scripts, /return number === 0\s*\?([^;]*);/g),
    ...matches(scripts, /lineClass\(number\) \{\s*return ([^;]*);/g),
  ];
  return new Set(expressions.flatMap(classesIn).filter(Boolean));
}

test("each class in a stylesheet is used, and each class that is used has a rule", () => {
  const styled = new Set(selectors().flatMap((selector) => matches(selector, /\.([a-z][\w-]*)/g)));
  const used = usedClasses();
  assert.deepEqual(
    [...styled].filter((name) => !used.has(name)),
    [],
  );
  assert.deepEqual(new Set([...used].filter((name) => !styled.has(name))), new Set(UNSTYLED));
});

test("each element in a stylesheet is created", () => {
  const text = all(".js") + PAGES.map(textOf).join("\n");
  const elements = selectors().flatMap((selector) => {
    const bare = selector.replace(/[.#:][\w-]+|\[[^\]]*\]/g, " ").replace(/::?[\w-]+/g, " ");
    return bare.match(/[a-z][a-z0-9]*/g) ?? [];
  });
  const created = new Set([...matches(text, /\b(?:h|svg)\(\s*"(\w+)"/g), ...matches(text, /<(\w+)/g)]);
  for (const [function_, element] of [
    ["input(", "input"],
    ["select(", "select"],
  ])
    if (text.includes(function_)) created.add(element);
  assert.deepEqual(
    [...new Set(elements)].filter((name) => !created.has(name)),
    [],
  );
});

test("each custom property is defined and used", () => {
  const css = all(".css");
  const defined = new Set(matches(css, /^\s*(--[\w-]+):/gm));
  assert.deepEqual(new Set(matches(css, /var\((--[\w-]+)\)/g)), defined);
});

test("each stylesheet is linked by a page, and none imports another one, which would delay the first paint", () => {
  const whole = (page) => textOf(page).replace('{% include "head.html" %}', textOf("head.html"));
  const linked = PAGES.map((page) => matches(whole(page), /<link rel="stylesheet" href="[^"]*\/ui\/([^"]*)">/g));
  assert.deepEqual(new Set(linked.flat()), new Set(named(".css")));
  assert.deepEqual(linked[1], [...linked[0], "fleet/fleet.css"], "the order decides between equal rules");
  assert.doesNotMatch(all(".css"), /@import/);
});

test("no script inserts a text as HTML, and no stylesheet or script names another origin", () => {
  assert.doesNotMatch(all(".js"), /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|setHTML|srcdoc/);
  const urls = matches(all(".js") + all(".css"), /(https?:\/\/[^\s"'`)]*)/g);
  const known = ["http://www.w3.org/2000/svg", "https://prometheus.io/docs/instrumenting/exposition_formats/."];
  assert.deepEqual(
    urls.filter((url) => !known.includes(url)),
    [],
  );
});
