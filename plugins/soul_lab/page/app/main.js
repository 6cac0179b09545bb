/** Puts the page together. */
import { Link } from "./link.js";
import { Model } from "./model.js";
import { Shell } from "./shell.js";
import { apply } from "./theme.js";
import { ChatPage } from "../pages/chat.js";
import { ConsolePage } from "../pages/console.js";
import { LabPage } from "../pages/lab.js";
import { PluginsPage } from "../pages/plugins.js";
import { SettingsPage } from "../pages/settings.js";
import { SleepPage } from "../pages/sleep.js";

apply();
const scheme = location.protocol === "https:" ? "wss" : "ws";
const model = new Model(new Link(`${scheme}://${location.host}/ws`));
const pages = {
  chat: () => new ChatPage(model),
  lab: () => new LabPage(model),
  sleep: () => new SleepPage(model),
  console: () => new ConsolePage(model),
  plugins: () => new PluginsPage(model),
  settings: () => new SettingsPage(model),
};
new Shell(model, pages);
