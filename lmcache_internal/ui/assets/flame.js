// Merges sampled stacks into a flame graph: a tree of frames, each as wide as its share of the samples.

/** Functions of Python's own library in which a thread only waits. */
const WAITING = /(^|\/)(threading|selectors|queue|socket|ssl|subprocess|asyncio\/\w+|multiprocessing\/\w+)\.py$/;

/**
 * Return whether a stack waits in Python's own library. A wait inside C code looks like the function that called it.
 * @param {Sampled} sampled
 */
export function waits({ stack }) {
  const top = stack[stack.length - 1];
  return top !== undefined && WAITING.test(top.file);
}

/**
 * @param {Sampled[]} stacks
 * @returns {FlameNode} - the root, which is all samples
 */
export function merge(stacks) {
  const root = node("all", null);
  for (const { thread, count, stack } of stacks) {
    let at = root;
    at.count += count;
    for (const name of [thread, ...stack.map(nameOf)]) {
      at = childOf(at, name);
      at.count += count;
    }
    at.own += count;
  }
  sort(root);
  return root;
}

/** @param {StackFrame} frame */
export function nameOf({ file, function: called }) {
  return `${called} (${file.split("/").slice(-2).join("/")})`;
}

/**
 * Return the frames below one that are wide enough to see, each with its place.
 * @param {FlameNode} top - fills the width
 * @param {number} width
 * @param {number} [narrowest]
 * @returns {FlameBox[]}
 */
export function layout(top, width, narrowest = 1) {
  /** @type {FlameBox[]} */
  const boxes = [];
  const pending = [{ node: top, x: 0, width, depth: 0 }];
  for (let box = pending.pop(); box; box = pending.pop()) {
    if (box.width < narrowest) continue;
    boxes.push(box);
    let x = box.x;
    for (const child of box.node.children) {
      const share = (child.count / top.count) * width;
      pending.push({ node: child, x, width: share, depth: box.depth + 1 });
      x += share;
    }
  }
  return boxes;
}

/**
 * Return the frames by their own samples, most first.
 * @param {FlameNode} root
 * @returns {{name: string, own: number, total: number}[]}
 */
export function busiest(root) {
  /** @type {Map<string, {name: string, own: number, total: number}>} */
  const found = new Map();
  /** @param {FlameNode} at @param {Set<string>} outer */
  const visit = (at, outer) => {
    const entry = found.get(at.name) ?? { name: at.name, own: 0, total: 0 };
    entry.own += at.own;
    if (!outer.has(at.name)) entry.total += at.count; // A recursive call is counted once.
    found.set(at.name, entry);
    for (const child of at.children) visit(child, new Set(outer).add(at.name));
  };
  for (const thread of root.children) for (const child of thread.children) visit(child, new Set());
  return [...found.values()].sort((a, b) => b.own - a.own || b.total - a.total);
}

/**
 * Return the frame that an arrow key leads to; null if there is none.
 * @param {FlameNode} at
 * @param {string} key
 * @returns {FlameNode | null}
 */
export function neighbor(at, key) {
  const siblings = at.parent?.children ?? [at];
  const index = siblings.indexOf(at);
  if (key === "ArrowUp") return at.parent;
  if (key === "ArrowDown") return at.children[0] ?? null;
  if (key === "ArrowLeft") return siblings[index - 1] ?? null;
  return key === "ArrowRight" ? (siblings[index + 1] ?? null) : null;
}

/**
 * @param {string} name
 * @param {FlameNode | null} parent
 * @returns {FlameNode}
 */
function node(name, parent) {
  return { name, count: 0, own: 0, parent, children: [] };
}

/** @param {FlameNode} parent @param {string} name */
function childOf(parent, name) {
  const known = parent.children.find((child) => child.name === name);
  if (known) return known;
  const child = node(name, parent);
  parent.children.push(child);
  return child;
}

/** @param {FlameNode} at */
function sort(at) {
  at.children.sort((a, b) => b.count - a.count);
  at.children.forEach(sort);
}
