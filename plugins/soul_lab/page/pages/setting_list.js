/** What of the daemon's settings may change while it runs, and how each is asked for. */

const CHAT = [
  { key: "chat.system_prompt", kind: "text" },
  { key: "chat.temperature", kind: "number", least: 0, most: 100, step: 0.05 },
  { key: "chat.max_tokens", kind: "number", least: 1, most: 1_000_000, step: 1 },
  { key: "chat.top_k", kind: "number", least: 0, step: 1 },
  { key: "chat.top_p", kind: "number", least: 0.01, most: 1, step: 0.01 },
  { key: "chat.min_p", kind: "number", least: 0, most: 1, step: 0.01 },
  { key: "chat.repetition_penalty", kind: "number", least: 0.1, most: 10, step: 0.05 },
  { key: "chat.repetition_window", kind: "number", least: 0, step: 1 },
  { key: "chat.seed", kind: "number", step: 1, isOptional: true },
  { key: "chat.stop", kind: "lines" },
];

export const GROUPS = [
  { name: "chat", fields: CHAT },
  {
    name: "learning",
    fields: [
      { key: "memory", kind: "switch" },
      { key: "soul.inner_lr", kind: "number", least: 0, most: 1, step: 0.0005 },
      { key: "soul.save_every_s", kind: "number", least: 1, step: 1 },
      { key: "soul.keep", kind: "number", least: 1, step: 1 },
    ],
  },
  {
    name: "daemon",
    fields: [
      { key: "language", kind: "choice", choices: ["auto", "en", "ja"] },
      { key: "body.idle_unload_s", kind: "number", least: 0, step: 1 },
      { key: "log.level", kind: "choice", choices: ["debug", "info", "warning", "error"] },
    ],
  },
];
