/** Model Lab: souls and bodies. */
import { h } from "../app/dom.js";
import { Bodies } from "./bodies.js";
import { Souls } from "./souls.js";

export class LabPage {
  constructor(model) {
    this.model = model;
    this.souls = new Souls(model);
    this.bodies = new Bodies(model);
    const title = h("h1", { text: "page.lab", tabIndex: -1 });
    const head = h("header.page-head", {}, h("div", {}, title, h("p", { text: "lab.about" })));
    this.element = h("section.page", {}, head, this.souls.element, this.bodies.element);
  }

  enter() {
    if (!this.model.isUp) return; // they are read once it is
    this.souls.read();
    this.bodies.read();
  }
}
