// What the page of a rank and the page of a fleet have in common: header, navigation, age of the data, problem, view.

import { problemOf } from "./client.js";
import { h, replace, setText } from "./dom.js";
import { duration } from "./scales.js";

const OLD_SECONDS = 6;

export class Frame {
  /**
   * Show the frame in the page.
   * @param {string} title
   * @param {Child[]} header - what follows the title and the age of the data
   * @param {Node[]} notices - what follows the problem
   */
  constructor(title, header, notices = []) {
    this.title = h("strong", {}, title);
    this.navigation = h("nav", { "aria-label": "Views" });
    this.age = h("p", { class: "status", role: "timer" }); // Screen readers do not announce each second of a timer.
    this.problem = h("p", { class: "error", role: "alert" });
    this.main = h("main", { tabindex: -1 });
    /** @type {number | null} - in ms of a monotonic clock */
    this.lastSuccess = null;
    const skip = h("a", { href: "#", class: "skip" }, "Skip to content");
    skip.addEventListener("click", (event) => {
      event.preventDefault();
      this.main.focus();
    });
    document.body.replaceChildren(
      h("header", {}, skip, this.title, " ", this.age, " ", header),
      this.navigation,
      this.problem,
      ...notices,
      this.main,
    );
    setInterval(() => this.showAge(), 1000);
    window.addEventListener("resize", () => this.showCurrent());
  }

  /** @param {Child[]} links - to the views; one of them is the current one */
  navigate(links) {
    replace(this.navigation, links);
    this.showCurrent();
  }

  /** Scroll to the link of the current view. In a narrow window, not all links are visible. */
  showCurrent() {
    this.navigation.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }

  /** Note that data has arrived. */
  succeeded() {
    this.lastSuccess = performance.now();
    this.showAge();
  }

  /** @param {unknown} error - null for none */
  show(error) {
    setText(this.problem, error === null ? "" : problemOf(error)); // An alert is announced each time it is written.
    this.showAge();
  }

  showAge() {
    const seconds = (performance.now() - (this.lastSuccess ?? -Infinity)) / 1000;
    const old = seconds > OLD_SECONDS;
    const age = old ? `Data is ${duration(seconds)} old` : "Live";
    setText(this.age, this.lastSuccess === null ? "No data yet" : age);
    document.body.classList.toggle("old", old); // What was healthy may not be so now.
  }
}
